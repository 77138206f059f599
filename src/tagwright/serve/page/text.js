// Texts as the service counts them, in code points, and as the browser does, in UTF-16 units.

const pairs = /[\ud800-\udfff]/;
const segmenter = "Segmenter" in Intl ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

/** Replace halves of surrogate pairs, which no request can carry, by U+FFFD; every length stays. */
export function wellFormed(text) {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** Count the code points of a text. */
export function lengthOf(text) {
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

/** Return a function from an offset in code points to the offset in UTF-16 units; undefined behind the end. */
export function unitsOf(text) {
  if (!pairs.test(text)) {
    return (point) => (Number.isInteger(point) && point >= 0 && point <= text.length ? point : undefined);
  }
  const units = [];
  let unit = 0;
  for (const character of text) {
    units.push(unit);
    unit += character.length;
  }
  units.push(unit);
  return (point) => units[point];
}

/** Return a function that widens [start, end) to whole graphemes: a mark never cuts an emoji or an accent off. */
export function graphemesOf(text) {
  if (!segmenter) return (start, end) => [start, end];
  const segments = segmenter.segment(text);
  const plain = (unit) => text.charCodeAt(unit) < 0x300 && !(text.charCodeAt(unit - 1) >= 0x300);
  return (start, end) => {
    const first = start === 0 || plain(start) ? start : segments.containing(start).index;
    if (end === text.length || plain(end)) return [first, end];
    const last = segments.containing(end - 1);
    return [first, last.index + last.segment.length];
  };
}

const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Tell whether the first letter of a text is written from right to left. */
export function beginsRightToLeft(text) {
  return rightToLeft.test(text.match(/\p{L}/u)?.[0] ?? "");
}

/** Tell whether the last letter of a text is written from right to left. */
export function endsRightToLeft(text) {
  return rightToLeft.test([...text].findLast((character) => /\p{L}/u.test(character)) ?? "");
}

/** Make a name fit to stand in a line: no controls, nothing that turns the text around, not endless. */
export function nameOf(label) {
  const clean = label.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");
  const characters = [...clean];
  return characters.length > 40 ? `${characters.slice(0, 39).join("")}…` : clean;
}

const numbers = new Intl.NumberFormat("en");

/** Write a count with its noun: "1 word", "2,000 words", "1 entity". */
export function count(number, one, many = `${one}s`) {
  return `${numbers.format(number)} ${number === 1 ? one : many}`;
}
