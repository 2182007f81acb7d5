/**
 * Puts a still of the current picture over a video while its source changes.
 *
 * Returns the function that removes it after the next frame is there. Audio and tainted pictures need none.
 */
export function freezeFrame(video: HTMLVideoElement): () => void {
  if (!video.videoWidth) return () => undefined;
  const canvas = document.createElement("canvas");
  canvas.className = "pc-freeze";
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  video.after(canvas);
  return () => {
    const remove = (): void => canvas.remove();
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(remove);
    // a paused or failed video may never show another frame
    window.setTimeout(remove, 700);
  };
}
