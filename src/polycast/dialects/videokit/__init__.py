"""Cloud Video Kit's API in front of the engine: translation only, no rule of its own."""
