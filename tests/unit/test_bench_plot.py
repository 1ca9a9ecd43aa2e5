"""The plot of the growth is a picture that a browser can show."""

from pathlib import Path
from xml.etree import ElementTree as ET

from local.bench.growth import DatabaseCost
from local.bench.plot import draw_growth

_SVG = "{http://www.w3.org/2000/svg}"


def test_the_plot_is_well_formed_and_has_a_point_a_crowd(tmp_path: Path) -> None:
    costs = [
        DatabaseCost(f"{calls}", calls, 5.0, 9.0, 0.2, 4_500) for calls in (100, 1_000, 50_000)
    ]

    draw_growth(costs, tmp_path / "plot.svg")

    drawn = ET.parse(tmp_path / "plot.svg").getroot()
    assert len(drawn.findall(f"{_SVG}circle")) == len(costs)
    assert len(drawn.findall(f"{_SVG}polyline")) == 2
