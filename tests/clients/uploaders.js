// Upload libraries that clients of hosted products use in browsers, each behind one function that a test calls.
import AwsS3Multipart from "@uppy/aws-s3-multipart";
import Uppy from "@uppy/core";
import * as tus from "tus-js-client";

/** Uppy with its S3 multipart plugin and a Companion address, as the vendor's examples configure it. */
async function uppy({ companionUrl, headers, meta, name, url }) {
  const data = await (await fetch(url)).blob();
  const progress = [];
  const uploader = new Uppy({ autoProceed: false, allowMultipleUploadBatches: false });
  uploader.use(AwsS3Multipart, {
    companionUrl,
    companionHeaders: headers,
    limit: 6,
    shouldUseMultipart: true,
    getChunkSize: () => 5 * 1024 * 1024,
  });
  uploader.on("upload-progress", (_, { bytesUploaded }) => progress.push(bytesUploaded));
  uploader.addFile({ name, type: "video/mp4", data, meta });
  const refused = (error) => ({ successful: [], failed: [{ error: error.message }] });
  const { successful, failed } = await uploader.upload().catch(refused);
  return {
    uploaded: successful.map((file) => file.response?.uploadURL ?? file.uploadURL),
    failed: failed.map((file) => file.error),
    progress: progress.length,
  };
}

/** tus-js-client; `stopAt` bytes of progress break it off once, then it resumes from what the server has. */
async function resumable({ endpoint, headers, name, url, stopAt, chunkSize }) {
  const file = new File([await (await fetch(url)).blob()], name, { type: "video/mp4", lastModified: 1 });
  let stopped = false;
  const upload = (again) =>
    new Promise((resolve, reject) => {
      const one = new tus.Upload(file, {
        endpoint,
        headers,
        chunkSize,
        retryDelays: [0, 100],
        metadata: { filename: name, filetype: file.type },
        onChunkComplete: (_, accepted) => {
          if (!again && stopAt && accepted >= stopAt) {
            stopped = true;
            one.abort().then(() => resolve(null));
          }
        },
        onError: (error) => reject(error),
        onSuccess: () => resolve({ url: one.url, stopped }),
      });
      one.findPreviousUploads().then((found) => {
        if (found.length) one.resumeFromPreviousUpload(found[0]);
        one.start();
      });
    });
  return (await upload(false)) ?? (await upload(true));
}

globalThis.uploaders = { uppy, resumable };
