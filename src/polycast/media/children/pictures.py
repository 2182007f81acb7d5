"""Makes pictures of a video. One request, one kind of picture:

- `poster`: path, index, times (candidates; one is exact), exact, width, height, out. Result: {time_s}.
- `frames`: path, index, times, width, height, out (a folder). Result: [time_s of 1.jpg, ...].
- `storyboard`: path, index, times, tolerance_s, width, height, columns, rows, out. Result: number of sheets.
- `preview`: path, index, times, seconds, rate, width, height, out. Result: number of pictures.
- `attached`: path, index, max_side, out. Result: [width, height].

Times are seconds on the container's clock. Progress is the number of pictures done.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from polycast.domain.errors import Unreadable
from polycast.media.children.picture_choice import DULL, best, score
from polycast.media.children.picture_files import write_animation, write_jpeg, write_sheet
from polycast.media.children.picture_scaler import Scaler, orientation
from polycast.media.children.picture_source import PictureSource
from polycast.media.children.protocol import main, send
from polycast.media.picture_plan import fit

_JPEG, _WEBP = "yuvj420p", "bgra"
_LOOK = (64, 36)
_NOTHING = "no picture of the video can be decoded"


def _poster(request: dict[str, Any]) -> Any:
    source = _source(request)
    times = request["times"]
    if request["exact"]:
        chosen = source.at(times[0])
    else:
        look = Scaler(*_LOOK, "gray", fine=False)
        # only the marks are kept: ten pictures of 8K would be a gigabyte
        chosen = None
        for take in (source.key, source.at):
            scores = [0.0 if f is None else score(_luma(look(f)), _LOOK[0]) for f in _each(times, take)]
            chosen = take(times[best(scores)])
            if max(scores) >= DULL:
                break  # else the few key frames there are all show nothing: look between them
    chosen = chosen if chosen is not None else source.first()
    if chosen is None:
        raise Unreadable(_NOTHING)
    time_s = source.time_of(chosen)
    write_jpeg(Scaler(request["width"], request["height"], _JPEG)(chosen), Path(request["out"]))
    return {"time_s": time_s}


def _frames(request: dict[str, Any]) -> Any:
    source = _source(request)
    scale = Scaler(request["width"], request["height"], _JPEG)
    found: list[float] = []
    for frame in _each(request["times"], source.at):
        if frame is not None:
            found.append(source.time_of(frame))
            write_jpeg(scale(frame), Path(request["out"]) / f"{len(found)}.jpg")
    if not found:
        raise Unreadable(_NOTHING)
    return found


def _storyboard(request: dict[str, Any]) -> Any:
    source = _source(request)
    scale = Scaler(request["width"], request["height"], _JPEG, fine=False)
    tiles: list[Any] = []
    missing = 0
    for frame in _each(request["times"], lambda t: source.near(t, request["tolerance_s"])):
        if frame is not None:
            # what could not be decoded before the first picture shows that one, later the one before
            tiles += [scale(frame)] * (missing + 1)
            missing = 0
        elif tiles:
            tiles.append(tiles[-1])
        else:
            missing += 1
    if not tiles:
        raise Unreadable(_NOTHING)
    columns, rows = request["columns"], request["rows"]
    parts = [tiles[i : i + columns * rows] for i in range(0, len(tiles), columns * rows)]
    for number, part in enumerate(parts, start=1):
        path = Path(request["out"]) / f"{number}.jpg"
        write_sheet(part, path, columns=columns, rows=-(-len(part) // columns))
    return len(parts)


def _preview(request: dict[str, Any]) -> Any:
    source = _source(request)
    scale = Scaler(request["width"], request["height"], _WEBP)
    frames: list[Any] = []
    for time_s in request["times"]:
        if source.at(time_s) is None:
            continue
        for frame in source.following(request["seconds"], request["rate"]):
            frames.append(scale(frame))
            send("progress", len(frames))
    if not frames:
        first = source.first()
        if first is None:
            raise Unreadable(_NOTHING)
        frames.append(scale(first))
    write_animation(frames, Path(request["out"]), rate=request["rate"])
    return len(frames)


def _attached(request: dict[str, Any]) -> Any:
    frame = _source(request).first()
    if frame is None:
        raise Unreadable(_NOTHING)
    width, height = frame.width, frame.height
    if any(step.startswith("transpose") for step in orientation(frame)):
        width, height = height, width
    width, height = fit(width, height, request["max_side"])
    write_jpeg(Scaler(width, height, _JPEG)(frame), Path(request["out"]))
    return [width, height]


def _source(request: dict[str, Any]) -> PictureSource:
    return PictureSource(request["path"], int(request["index"]))


def _each(times: list[float], take: Callable[[float], Any]) -> Iterator[Any]:
    for number, time_s in enumerate(times, start=1):
        yield take(time_s)
        send("progress", number)


def _luma(frame: Any) -> bytes:
    plane = frame.planes[0]
    data = bytes(plane)
    return b"".join(data[y * plane.line_size :][: frame.width] for y in range(frame.height))


_KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "poster": _poster,
    "frames": _frames,
    "storyboard": _storyboard,
    "preview": _preview,
    "attached": _attached,
}


def pictures(request: dict[str, Any]) -> Any:
    return _KINDS[request["kind"]](request)


if __name__ == "__main__":
    main(pictures)
