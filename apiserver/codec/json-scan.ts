import { badRequest } from "../status.ts";

const MAX_REPORTED = 100;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const HEX4 = /^[0-9a-fA-F]{4}$/;

/**
 * The careful reading of a JSON text: finds duplicate members with their paths, and throws BadRequest for what a
 * native parse hides (rounded integers, infinite numbers, `__proto__`) or says in other words than Kubernetes does.
 */
export function scanJson(text: string, maxDepth: number): { readonly duplicates: readonly string[] } {
  const scanner = new Scanner(text, maxDepth);
  scanner.document();
  return { duplicates: [...scanner.duplicates] };
}

class Scanner {
  readonly duplicates = new Set<string>();
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): void {
    this.#value("", 0);
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#unexpected("after top-level value");
  }

  #value(path: string, depth: number): void {
    this.#skipSpace();
    const char = this.#text[this.#at];
    if (char === "{" || char === "[") {
      if (depth >= this.#maxDepth) throw badRequest(`exceeded max depth: objects may be nested ${this.#maxDepth} deep`);
      if (char === "{") this.#object(path, depth);
      else this.#array(path, depth);
    } else if (char === '"') this.#string();
    else if (char === "-" || (char !== undefined && char >= "0" && char <= "9")) this.#number(path);
    else if (char === "t") this.#literal("true");
    else if (char === "f") this.#literal("false");
    else if (char === "n") this.#literal("null");
    else throw this.#unexpected("looking for beginning of value");
  }

  #object(path: string, depth: number): void {
    const seen = new Set<string>();
    this.#at++;
    this.#skipSpace();
    if (this.#take("}")) return;
    for (;;) {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') throw this.#unexpected("looking for beginning of object key string");
      const key = this.#string();
      if (key === "__proto__") throw badRequest(`field name "__proto__" is not allowed`);
      const here = path === "" ? key : `${path}.${key}`;
      if (seen.has(key) && this.duplicates.size < MAX_REPORTED)
        this.duplicates.add(`duplicate field ${JSON.stringify(here)}`);
      seen.add(key);
      this.#skipSpace();
      if (!this.#take(":")) throw this.#unexpected("after object key");
      this.#value(here, depth + 1);
      this.#skipSpace();
      if (this.#take("}")) return;
      if (!this.#take(",")) throw this.#unexpected("after object key:value pair");
    }
  }

  #array(path: string, depth: number): void {
    this.#at++;
    this.#skipSpace();
    if (this.#take("]")) return;
    for (let index = 0; ; index++) {
      this.#value(`${path}[${index}]`, depth + 1);
      this.#skipSpace();
      if (this.#take("]")) return;
      if (!this.#take(",")) throw this.#unexpected("after array element");
    }
  }

  #string(): string {
    const start = this.#at++;
    for (;;) {
      while (isPlain(this.#text.charCodeAt(this.#at))) this.#at++;
      if (this.#take('"')) return JSON.parse(this.#text.slice(start, this.#at)) as string;
      if (!this.#take("\\")) throw this.#unexpected("in string literal");
      this.#escape();
    }
  }

  #escape(): void {
    const char = this.#text[this.#at];
    if (char === "u") {
      if (!HEX4.test(this.#text.slice(this.#at + 1, this.#at + 5))) {
        this.#at++;
        while (/[0-9a-fA-F]/.test(this.#text[this.#at] ?? "")) this.#at++;
        throw this.#unexpected("in \\u hexadecimal character escape");
      }
      this.#at += 5;
    } else if (char !== undefined && '"\\/bfnrt'.includes(char)) this.#at++;
    else throw this.#unexpected("in string escape code");
  }

  #number(path: string): void {
    NUMBER.lastIndex = this.#at;
    const literal = NUMBER.exec(this.#text)?.[0];
    if (literal === undefined) {
      this.#at++;
      throw this.#unexpected("in numeric literal");
    }
    this.#at += literal.length;
    checkNumber(literal, path);
  }

  #literal(word: string): void {
    for (const char of word) {
      if (this.#text[this.#at] !== char) throw this.#unexpected(`in literal ${word} (expecting '${char}')`);
      this.#at++;
    }
  }

  #skipSpace(): void {
    while (" \t\n\r".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #unexpected(where: string): Error {
    const char = this.#text.codePointAt(this.#at);
    if (char === undefined) return badRequest("unexpected end of JSON input");
    return badRequest(`invalid character ${quoteCharacter(char)} ${where}`);
  }
}

/** Whether a character (NaN at the end of the text) stands for itself in a string. */
const isPlain = (code: number): boolean => code >= 0x20 && code !== 0x22 && code !== 0x5c;

function checkNumber(literal: string, path: string): void {
  const number = Number(literal);
  const where = path === "" ? "" : ` at ${JSON.stringify(path)}`;
  if (!Number.isFinite(number)) throw badRequest(`number ${literal}${where} is out of range`);
  if (/[.eE]/.test(literal) || Number.isSafeInteger(number) || String(number) === literal) return;
  throw badRequest(`integer ${literal}${where} cannot be kept exactly: integers must be within ±9007199254740991`);
}

/** As Go prints a character in syntax errors. */
function quoteCharacter(code: number): string {
  if (code === 0x27) return String.raw`'\''`;
  if (code === 0x22) return `'"'`;
  const quoted = JSON.stringify(String.fromCodePoint(code));
  return code < 0x20 || code === 0x5c ? `'${quoted.slice(1, -1)}'` : `'${String.fromCodePoint(code)}'`;
}
