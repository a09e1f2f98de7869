"""Bodies that never change."""

import base64

SLIDES = {
    "slideshow": {
        "author": "Yours Truly",
        "date": "date of publication",
        "slides": [{"title": "Wake up to WonderWidgets!", "type": "all"}],
        "title": "Sample Slide Show",
    }
}

XML = b"""<?xml version="1.0" encoding="us-ascii"?>
<slideshow title="Sample Slide Show" date="date of publication" author="Yours Truly">
  <slide type="all"><title>Wake up to WonderWidgets!</title></slide>
</slideshow>
"""

PAGE = b"""<!DOCTYPE html>
<html lang="en"><head><title>httpbin</title></head><body><h1>httpbin</h1>
<p>Try /get, /headers, /ip, /status/418, /delay/1, /anything, /response-headers?a=b.</p></body></html>
"""

FORM = b"""<!DOCTYPE html>
<html lang="en"><head><title>A form</title></head><body>
<form method="post" action="/post"><label>Customer name: <input name="custname"></label> <button>Submit</button></form>
</body></html>
"""

UTF8 = "<h1>Text in UTF-8</h1><pre>Grüße, Ελληνικά, Русский, 日本語, ∮ E·da = Q</pre>\n"

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_JPEG = (
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwS"
    "ExIQEw8QEBD/yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9k="
)
_WEBP = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"

IMAGES = {
    "png": ("image/png", base64.b64decode(_PIXEL)),
    "jpeg": ("image/jpeg", base64.b64decode(_JPEG)),
    "webp": ("image/webp", base64.b64decode(_WEBP)),
    "svg": ("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><circle r="4"/></svg>\n'),
}
"""One pixel each, and a circle."""
