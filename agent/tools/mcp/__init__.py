"""
Tools of other people's servers (Model Context Protocol), by configuration, off without it.

What such a server says is data: its tools are offered under names of their own, one use is as short
and as bounded as one of ours, and no call ever waits for a server.
"""
