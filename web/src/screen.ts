/** Full screen, with the iPhone's own way where only the video itself may fill the screen. */

interface PhoneVideo extends HTMLVideoElement {
  webkitEnterFullscreen?: () => void;
}

export async function enterFullscreen(root: HTMLElement, video: HTMLVideoElement): Promise<void> {
  try {
    if (document.fullscreenEnabled) await root.requestFullscreen({ navigationUI: "hide" });
    else (video as PhoneVideo).webkitEnterFullscreen?.();
  } catch {
    // an embedding page without allow="fullscreen" refuses; nothing else would help
  }
}

export async function leaveFullscreen(): Promise<void> {
  try {
    await document.exitFullscreen();
  } catch {
    // already left
  }
}
