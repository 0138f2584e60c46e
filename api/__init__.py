"""The view: violations and rules over HTTP."""
