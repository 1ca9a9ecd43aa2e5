"""Benchmarks with their anchors in the same run: medians and ratios, never thresholds."""
