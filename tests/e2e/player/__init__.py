"""The player alone, in a real browser: pages of `polycast.delivery.pages`, media made by ffmpeg, no API behind."""
