// Reads texts ({name: text in Markdown}) on stdin, and words that are right; writes what the checker
// finds: [name, line, kind, words, message]. The rules that are off are matters of taste, or fight
// with tables and with the names of programs.
import { webcrypto } from 'node:crypto';
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

globalThis.crypto ??= webcrypto; // Node.js 18 has none, and the checker wants random numbers

// NODE_PATH does not count for modules: the package's folder is the argument.
const load = (file) => import(pathToFileURL(`${process.argv[2]}/dist/${file}.js`));
const { LocalLinter, Dialect } = await load('index');
const { binaryInlined } = await load('binaryInlined');

const OFF = `SentenceCapitalization UseTitleCase OxfordComma BlacklistWhitelist ExpandMemoryShorthands
  ExpandTimeShorthands ExpandMinimum ExpandConfiguration ExpandControl ExpandStandardInputAndOutput
  MassNouns MergeWords CompoundNouns Overall NumericRangeEnDash PossessiveNoun DisjointPrefixes
  OrthographicConsistency QuoteSpacing NoOxfordComma`.split(/\s+/);

const { texts, words } = JSON.parse(fs.readFileSync(0, 'utf8'));
const linter = new LocalLinter({ binary: binaryInlined, dialect: Dialect.British });
await linter.setup();
const config = await linter.getDefaultLintConfig();
for (const rule of OFF) if (rule in config) config[rule] = false;
await linter.setLintConfig(config);
await linter.importWords(words);
const found = [];
for (const [name, text] of Object.entries(texts)) {
  for (const lint of await linter.lint(text, { language: 'markdown' })) {
    const line = text.slice(0, lint.span().start).split('\n').length;
    found.push([name, line, lint.lint_kind(), lint.get_problem_text(), lint.message()]);
  }
}
console.log(JSON.stringify(found));
