// The page's state in the address, behind the #, which browsers never send to a server.

/** Characters that a fragment may have; longer addresses do not survive mails and chats. */
export const LONGEST = 16_000;

/** Write a state as a fragment, without the #; an empty string where there is nothing to say. */
export function toFragment({ text, model, hidden, least }) {
  const fields = new URLSearchParams();
  if (text) fields.set("text", text);
  if (model) fields.set("model", model);
  for (const type of hidden) fields.append("hide", type);
  if (least > 0) fields.set("score", String(least));
  return text || hidden.size || least > 0 ? fields.toString() : "";
}

/** Read a fragment, with or without its #; whatever it holds, a state comes out. `tooLong` says it was not read. */
export function fromFragment(fragment) {
  const bare = fragment.replace(/^#/, "");
  if (bare.length > LONGEST) return { tooLong: bare.length };
  const fields = new URLSearchParams(bare);
  const least = Number(fields.get("score") ?? 0);
  return {
    text: fields.get("text"),
    model: fields.get("model"),
    hidden: new Set(fields.getAll("hide")),
    least: least >= 0 && least <= 1 ? Math.round(least * 100) / 100 : 0,
  };
}
