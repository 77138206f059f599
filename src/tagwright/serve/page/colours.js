// A colour for each type: by its name, so that it is the same in every visit.

/** Colours in the style sheet: [data-hue="0"] and so on. */
export const HUES = 12;

// FNV-1a, from a seed that keeps the types of well-known tag sets far apart.
function hash(name) {
  let value = 0x2b296;
  for (const character of name.toLowerCase()) value = Math.imul(value ^ character.codePointAt(0), 0x01000193);
  return ((value ^ (value >>> 15)) >>> 0) % HUES;
}

/** Give each type one of the colours; two types share one only where there are more types than colours. */
export function coloursOf(types) {
  const colours = new Map();
  const taken = new Set();
  for (const type of [...new Set(types)].sort()) {
    let hue = hash(type);
    while (taken.has(hue)) hue = (hue + 5) % HUES; // 5 and 12 share no divisor: every colour comes up
    colours.set(type, hue);
    taken.add(hue);
    if (taken.size === HUES) taken.clear();
  }
  return colours;
}
