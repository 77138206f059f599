// Text files that are opened or dropped.

const LARGEST = 2 << 20; // bytes; browsers' text fields become slow with more

function decode(bytes) {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

const megabytes = (bytes) => `${(bytes / (1 << 20)).toFixed(1)} MiB`;

/** Read a file as text; throws an Error whose message says what is wrong with it. */
export async function readText(file) {
  if (file.size > LARGEST) {
    const sizes = `${file.name} has ${megabytes(file.size)}, and this page takes ${megabytes(LARGEST)} at most`;
    throw new Error(`${sizes}; send it to the API instead.`);
  }
  let text;
  try {
    text = decode(new Uint8Array(await file.arrayBuffer()));
  } catch (error) {
    if (error.name === "NotReadableError") throw new Error(`${file.name} cannot be read.`);
    throw new Error(`${file.name} is not text in UTF-8; save it as such.`);
  }
  if (text.includes("\0")) throw new Error(`${file.name} is not a text file.`);
  return text;
}

/** Let files be dropped anywhere on the page; `field` is set off while one is over the page. */
export function takeDrops(field, onFile) {
  const holdsFile = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault(); // or the browser would open the file in the page's place
    field.classList.add("over");
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) field.classList.remove("over");
  });
  window.addEventListener("drop", (event) => {
    field.classList.remove("over");
    if (!holdsFile(event)) return;
    event.preventDefault();
    onFile(event.dataTransfer.files[0]);
  });
}
