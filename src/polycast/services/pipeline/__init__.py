"""From a completed file to something that plays.

`process_output` (plan) decides what an output needs: a streamable source is packaged as it is and published
at once; anything else begins with its first rung. The rest of the ladder, and audio, are chunk jobs; when
those of a generation are done, `assemble` writes its track logs and publishes it. Pictures and captions are
made beside all this and never hold it up. Every step can be repeated: it looks first at what is there.
"""
