import { type LabelRequirement, labelRequirement, SelectorError } from "./selectors.ts";

/** `end` is the end of the text; punctuation and operators carry themselves as kind. */
interface Token {
  readonly kind: "word" | "end" | "=" | "==" | "!=" | "!" | "(" | ")" | "," | ">" | "<";
  readonly text: string;
}

const TOKEN = /\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)/y;
const OPERATORS = "in, notin, =, ==, !=, gt, lt";

/**
 * Reads the query form of a label selector (`a=b,c in (d,e),!f,g>1`), with the grammar and the error texts of
 * apimachinery `labels.Parse`. Terms come sorted by key. The empty text matches everything.
 */
export function parseLabelSelector(text: string): readonly LabelRequirement[] {
  const parser = new Parser(tokenize(text));
  return parser.selector().sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

function tokenize(text: string): Token[] {
  const tokens = text.matchAll(new RegExp(TOKEN, "gy")).map(([, found = ""]): Token => {
    const punctuation = /^[=!(),<>]/.test(found);
    return { kind: punctuation ? (found as Token["kind"]) : "word", text: found };
  });
  return [...tokens, { kind: "end", text: "" }];
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  selector(): LabelRequirement[] {
    const terms: LabelRequirement[] = [];
    if (this.#peek().kind === "end") return terms;
    this.#startOfTerm("!, identifier, or 'end of string'");
    for (;;) {
      terms.push(this.#term());
      const next = this.#take();
      if (next.kind === "end") return terms;
      if (next.kind !== ",") throw expected(next, "',' or 'end of string'");
      this.#startOfTerm("identifier after ','");
    }
  }

  #startOfTerm(what: string): void {
    const { kind } = this.#peek();
    if (kind !== "word" && kind !== "!") throw expected(this.#peek(), what);
  }

  #term(): LabelRequirement {
    const absent = this.#peek().kind === "!";
    if (absent) this.#take();
    const key = this.#take();
    if (key.kind !== "word") throw unable(`found '${key.text}', expected: identifier`);
    const { kind } = this.#peek();
    if (absent) return build(key.text, "DoesNotExist", []);
    if (kind === "end" || kind === ",") return build(key.text, "Exists", []);
    return this.#comparison(key.text);
  }

  #comparison(key: string): LabelRequirement {
    const operator = this.#take();
    switch (operator.kind === "word" ? operator.text : operator.kind) {
      case "in":
        return build(key, "In", this.#set());
      case "notin":
        return build(key, "NotIn", this.#set());
      case "=":
      case "==":
        return build(key, "In", [this.#exact()]);
      case "!=":
        return build(key, "NotIn", [this.#exact()]);
      case ">":
        return build(key, "Gt", [this.#exact()]);
      case "<":
        return build(key, "Lt", [this.#exact()]);
      default:
        throw unable(`found '${operator.text}', expected: ${OPERATORS}`);
    }
  }

  /** The value behind `=`; nothing there is the empty value. */
  #exact(): string {
    const { kind } = this.#peek();
    if (kind === "end" || kind === ",") return "";
    const token = this.#take();
    if (token.kind !== "word") throw unable(`found '${token.text}', expected: identifier`);
    return token.text;
  }

  /** `(a, b)`; an omitted element is the empty value. */
  #set(): string[] {
    const open = this.#take();
    if (open.kind !== "(") throw unable(`found '${open.text}' expected: '('`);
    const values: string[] = [];
    if (this.#peek().kind === ")") return this.#closed(values);
    for (;;) {
      const token = this.#peek();
      if (token.kind === "word") values.push(this.#take().text);
      else if (token.kind === "," || token.kind === ")") values.push("");
      else throw unable(`found '${token.text}', expected: ',', ')' or identifier`);
      if (this.#peek().kind === ")") return this.#closed(values);
      const comma = this.#take();
      if (comma.kind !== ",") throw unable(`found '${comma.text}', expected: ',' or ')'`);
    }
  }

  #closed(values: string[]): string[] {
    this.#take();
    return [...new Set(values)].sort();
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", text: "" };
  }

  #take(): Token {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }
}

function build(key: string, operator: LabelRequirement["operator"], values: readonly string[]): LabelRequirement {
  try {
    return labelRequirement(key, operator, values);
  } catch (error) {
    throw error instanceof SelectorError ? unable(error.message, error) : error;
  }
}

const expected = (token: Token, what: string): SelectorError =>
  new SelectorError(`found '${token.text}', expected: ${what}`);

const unable = (detail: string, cause?: Error): SelectorError =>
  new SelectorError(`unable to parse requirement: ${detail}`, { cause });
