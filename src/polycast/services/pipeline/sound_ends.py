"""Where the sound of other files than the picture's ends."""

from polycast.media.toolkit import MediaToolkit
from polycast.services.pipeline.choice import Choice
from polycast.services.pipeline.workspace import Local


async def others_end(media: MediaToolkit, choice: Choice, local: Local, length_s: float) -> float:
    """Seconds from the start of the presentation to the end of the last of this sound, by its packets.

    All of it begins with the presentation (`plan.sound_grid_of`).

    Args:
        length_s: of the picture; also what is returned where no sound goes on behind it.

    Raises:
        Unreadable: a file cannot be opened.
        ChildFailed: a child crashed or passed a limit.
        NotFound: a file is gone.
    """
    ends = [length_s]
    for file, info in choice.files[1:]:
        path = await local(file.key)
        ends.append(await media.sound_end(path, info, info.start_s + length_s) - info.start_s)
    return max(ends)
