import type { Random } from "../../machinery/random.ts";

/** Letters and digits of generated names (apimachinery util/rand): no vowels, nothing that reads like another. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
const MAX_GENERATED_BASE = 63 - SUFFIX_LENGTH;

export function generateName(base: string, random: Random): string {
  const suffix = Array.from({ length: SUFFIX_LENGTH }, () => ALPHABET[Math.floor(random.next() * ALPHABET.length)]);
  return base.slice(0, MAX_GENERATED_BASE) + suffix.join("");
}
