"""
Send a link to the caller's page.

The model names a page and never an address: whatever it is talked into, no address but the
operator's own reaches anybody.
"""

from typing import Any

from agent.tools.port import Arguments, Tool, ToolAnswer, ToolDesk
from shared.call_protocol import Notice


class Link(Arguments):
    page: str


async def send(desk: ToolDesk, link: Link) -> ToolAnswer:
    address = desk.links.get(link.page)
    if address is None:
        return {"error": "There is no such page.", "pages": sorted(desk.links)}
    desk.page.notify(Notice(kind="link", message=link.page, url=address))
    return {"message": "The link is on your screen."}


def with_pages(schema: dict[str, Any], desk: ToolDesk) -> dict[str, Any]:
    """The pages of this installation as the only choices."""
    properties = {**schema["properties"], "page": {"type": "string", "enum": sorted(desk.links)}}
    return {**schema, "properties": properties}


TOOL = Tool(
    name="send_link",
    description="Show a link to one of our pages on the caller's screen, when it helps.",
    arguments=Link,
    run=send,
    adapt=with_pages,
)
