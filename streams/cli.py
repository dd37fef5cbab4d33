"""The `xinfeng` command. Each command's work is elsewhere; here are options, exit codes, words."""

from __future__ import annotations
