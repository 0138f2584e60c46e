// The colours of rule files, as the engine of Visual Studio Code gives them, with a YAML grammar as it has one.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const manifest = require("../package.json");

const FILES = Object.fromEntries(manifest.contributes.grammars.map(({ scopeName, path: file }) => [scopeName, path.join(__dirname, "..", file)]));
const YAML = require.resolve("tm-grammars/grammars/yaml.json");
const TEXT = `let:
  big: payment.charge.where(amount > 1000)
  countries: [US, GB]
rules:
  - id: checked
    description: always is a word here
    rule: |
      # a comment
      for each "GET /x" as it
      when   { big and count(span by span:name) >= 2 }
      always { fraud.check.where(a.in == "x\\n") before it within 1.5s }

      never  { payment.where(lower(always.b) missing) }
    exceptions:
      - {name: load test, when: root.where(env == loadtest), owner: sre}
      - name: when it rains
        when: |
          every x
    tests:
      - name: never mind
        trace: |
          checkout  0ms..90ms  service=shop error
            "GET /x"  1ms..none  amount=5 ok=true event(retry, at=5ms, k=v)
        expect: violated
  - rule: never { big }
    id: second
  - rule: |
      never { big }
    severity: high
`;

const loaded = oniguruma.loadWASM(fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm"))).then(() => ({
  createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
  createOnigString: (text) => new oniguruma.OnigString(text),
}));

function read(scope) {
  const file = FILES[scope] ?? (scope === "source.yaml" ? YAML : "");
  return file ? textmate.parseRawGrammar(fs.readFileSync(file, "utf8"), file) : null;
}

async function tokens(scopeName, text) {
  const registry = new textmate.Registry({
    onigLib: loaded,
    loadGrammar: async (scope) => read(scope),
    getInjections: (scope) => (scope === "source.yaml" ? ["betrace.injection"] : []),
  });
  const grammar = await registry.loadGrammar(scopeName);
  let stack = textmate.INITIAL;
  return text.split("\n").map((line) => {
    const found = grammar.tokenizeLine(line, stack);
    stack = found.ruleStack;
    return found.tokens.map((token) => ({ text: line.slice(token.startIndex, token.endIndex), start: token.startIndex, scopes: token.scopes.join(" ") }));
  });
}

// The text of a token, the number of its line, and what its innermost scopes begin with.
const EXPECTED = [
  ["big", 1, "variable.other.definition.betrace"],
  ["amount", 1, "variable.other.betrace"],
  ["where", 1, "support.function.method.betrace"],
  ["US", 2, "variable.other.betrace"],
  ["rule", 6, "entity.name.tag.yaml"],
  ["# a comment", 7, "comment.line.number-sign.betrace"],
  ["for", 8, "keyword.control.betrace"],
  ["it", 8, "variable.other.definition.betrace"],
  ["when", 9, "keyword.control.betrace"],
  ["and", 9, "keyword.operator.word.betrace"],
  ["count", 9, "support.function.betrace"],
  ["by", 9, "keyword.operator.relation.betrace"],
  ["span:name", 9, "support.variable.intrinsic.betrace"],
  ["always", 10, "keyword.control.betrace"],
  ["a.in", 10, "variable.other.betrace"],
  ["\\n", 10, "constant.character.escape.betrace"],
  ["before", 10, "keyword.operator.relation.betrace"],
  ["1.5s", 10, "constant.numeric.duration.betrace"],
  ["never", 12, "keyword.control.betrace"],
  ["lower", 12, "support.function.betrace"],
  ["missing", 12, "keyword.operator.word.betrace"],
  ["exceptions", 13, "entity.name.tag.yaml"],
  ["env", 14, "variable.other.betrace"],
  ["root", 14, "variable.language.betrace"],
  ["every", 17, "keyword.operator.word.betrace"],
  ["checkout", 21, "entity.name.tag.span.betrace.trace"],
  ["90ms", 21, "constant.numeric.duration.betrace.trace"],
  ["service", 21, "keyword.other.betrace.trace"],
  ["error", 21, "keyword.other.betrace.trace"],
  ['"GET /x"', 22, "entity.name.tag.span.betrace.trace"],
  ["amount", 22, "entity.other.attribute-name.betrace.trace"],
  ["5", 22, "constant.numeric.betrace.trace"],
  ["true", 22, "constant.language.betrace.trace"],
  ["event", 22, "support.function.betrace.trace"],
  ["never", 24, "keyword.control.betrace"],
  ["never", 27, "keyword.control.betrace"],
];
// Lines that are YAML and nothing else.
const YAML_LINES = [0, 3, 4, 5, 13, 15, 18, 19, 23, 25, 28];

for (const scope of ["source.yaml.betrace", "source.yaml"]) {
  test(`in ${scope} rules, names and traces have their colours, and the YAML around them keeps its own`, async () => {
    const lines = await tokens(scope, TEXT);
    for (const [text, line, name] of EXPECTED) {
      const found = lines[line].filter((token) => token.text.trim() === text);
      assert.ok(
        found.some((token) => token.scopes.includes(name)),
        `line ${line}, ${text}: ${name} in ${JSON.stringify(lines[line], null, 1)}`,
      );
    }
    for (const line of YAML_LINES) {
      assert.ok(
        lines[line].every((token) => !token.scopes.includes("meta.embedded") && !token.scopes.includes("keyword.control.betrace")),
        `line ${line}: ${JSON.stringify(lines[line])}`,
      );
    }
  });
}

test("of other YAML files nothing changes", async () => {
  const text = "jobs:\n  - if: always()\n    when: never\n    condition: a and b\n    expression: |\n      never\n";
  const lines = await tokens("source.yaml", text);
  assert.ok(lines.flat().every((token) => !token.scopes.includes("betrace")));
});

test("every grammar of the manifest can be read", () => {
  for (const [scope, file] of Object.entries(FILES)) {
    assert.strictEqual(JSON.parse(fs.readFileSync(file, "utf8")).scopeName, scope);
  }
});
