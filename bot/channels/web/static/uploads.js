// A file on its way: uploaded once, then a message names it by its id. Nothing here shows anything.

import * as link from "./link.js";
import { config } from "./words.js";

const SHOWN = ["image/jpeg", "image/png", "image/gif", "image/webp"];
const PATIENCE = 300000;

export class Upload {
  // `blob` is null for one that an earlier page has uploaded: `kept` is what it left.
  constructor(blob, kept = {}) {
    this.blob = blob;
    this.id = kept.id ?? null;
    this.name = kept.name ?? blob.name ?? "";
    this.size = kept.size ?? blob.size;
    this.kind = kept.kind ?? (SHOWN.includes(blob.type) ? "photo" : "document");
    this.local = blob && this.kind === "photo" ? URL.createObjectURL(blob) : null;
    this.percent = 0;
    this.changed = () => {};
  }

  toJSON() {
    return { id: this.id, name: this.name, size: this.size, kind: this.kind };
  }

  // What the service would refuse anyway, as the name of a sentence.
  get unfit() {
    if (!this.size) return "file_empty";
    return this.size > config.max_bytes ? "file_too_big" : null;
  }

  // Resolves to {status, error, message}: 201, 0 without a network, -1 if cancelled, 410 if the
  // bytes are no more. Whoever asks meanwhile waits for the same upload.
  arrive() {
    if (this.id) return Promise.resolve({ status: 201 });
    if (!this.blob) return Promise.resolve({ status: 410 });
    if (!navigator.onLine) return Promise.resolve({ status: 0 });
    this.under_way ??= this.send().finally(() => { this.under_way = null; });
    return this.under_way;
  }

  async send() {
    const answer = await new Promise((done) => {
      const request = new XMLHttpRequest(); // fetch does not tell how much has left
      this.request = request;
      request.open("POST", "/chat/files");
      request.timeout = PATIENCE;
      request.responseType = "json";
      for (const [name, value] of Object.entries(link.headers())) request.setRequestHeader(name, value);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = ({ loaded, total }) => this.at(Math.floor((100 * loaded) / total));
      request.onload = () => done({ ...request.response, status: request.status });
      request.onerror = request.ontimeout = () => done({ status: 0 });
      request.onabort = () => done({ status: -1 });
      request.send(this.blob);
    });
    if (answer.status === 201) this.id = answer.id;
    if (answer.status === 401) await link.session().catch(() => {});
    this.at(this.id ? 100 : 0);
    return answer;
  }

  at(percent) {
    this.percent = percent;
    this.changed();
  }

  cancel() {
    this.request?.abort();
    if (this.local) URL.revokeObjectURL(this.local);
  }
}

// Whether the same upload may succeed a little later without anybody's help.
export const passing = ({ status, error }) =>
  status === 0 || status === 401 || status >= 500 || (status === 429 && error === "too_many");
