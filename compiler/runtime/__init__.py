"""The static part of an engine program: Lua, loaded in the order that compiler/engine_program.py names."""
