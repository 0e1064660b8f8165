// Uploads with tus-js-client as it comes: one upload that is aborted and taken
// up again by another object that knows its address alone, and goes on by
// itself when the server is killed and comes back. Then the file is sent,
// downloaded by its link and compared.
import { randomBytes } from "node:crypto";
import * as tus from "tus-js-client";
import { hear, say } from "./talk.mjs";

const base = process.argv[2];
const { token, conversation } = await hear();
const content = randomBytes(3 << 20);

let retries = 0;
let wait = 0;
const options = (more) => ({
  endpoint: base + "/files/",
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: "Urlaub 🏖.bin", filetype: "application/octet-stream" },
  chunkSize: 64 << 10,
  uploadDataDuringCreation: true,
  retryDelays: Array(100).fill(100),
  storeFingerprintForResuming: false,
  onBeforeRequest: () => new Promise((r) => setTimeout(r, wait)),
  onShouldRetry: () => ++retries > 0,
  onError: (error) => say({ failed: String(error) }),
  ...more,
});

const first = await new Promise((resolve) => {
  const upload = new tus.Upload(content, options({
    onChunkComplete: async (_, done) => {
      if (done < 1 << 20 || upload.stopped) return;
      upload.stopped = true;
      await upload.abort();
      resolve(upload.url);
    },
  }));
  upload.start();
});

wait = 25; // so that there is time for what is done to the server
let from;
const url = await new Promise((resolve) => {
  let told = false;
  const second = new tus.Upload(content, options({
    uploadUrl: first,
    onChunkComplete: (_, done) => {
      from ??= done;
      if (!told && done > 3 << 19) {
        told = true;
        say({ page: "half of it is there" });
      }
    },
    onSuccess: () => resolve(second.url),
  }));
  second.start();
});
if (from < 1 << 20) say({ failed: `it began again at ${from}` });

const answer = await fetch(base + "/graphql", {
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
  body: JSON.stringify({
    query: "mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { attachments { name size url } } } }",
    variables: { input: { conversationId: conversation, text: "", attachmentIds: [url.split("/").pop()] } },
  }),
});
const { data, errors } = await answer.json();
if (errors) say({ failed: JSON.stringify(errors) });
const [file] = data.sendMessage.message.attachments;
const back = Buffer.from(await (await fetch(new URL(file.url, base))).arrayBuffer());
say({ received: back.equals(content) && file.size === content.length, title: file.name, requests: retries });
await hear();
