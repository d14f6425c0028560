// The contract files before judges of their own: the official AsyncAPI parser, and ajv for JSON Schema 2020-12.
//
//   node check.mjs CONTRACT-DIRECTORY [SCHEMA MESSAGES]...
//
// MESSAGES is a file with one JSON message a line, checked against SCHEMA (such as "record"). Prints each fault; exit 1.
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import { Parser } from '@asyncapi/parser';

const [directory, ...pairs] = process.argv.slice(2);
const contract = resolve(directory);
let faults = 0;

function fault(text) {
  console.log(text);
  faults++;
}

// strict: unknown keywords and unreachable branches are faults of ours.
const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
const validators = {};
for (const file of readdirSync(contract).filter((name) => name.endsWith('.schema.json'))) {
  const name = file.replace('.schema.json', '');
  try {
    validators[name] = ajv.compile(JSON.parse(readFileSync(join(contract, file), 'utf8')));
  } catch (error) {
    fault(`${file}: ${error.message}`);
  }
}

const file = join(contract, 'asyncapi.json');
const source = readFileSync(file, 'utf8');
const { document, diagnostics } = await new Parser().parse(source, { source: file });
for (const { severity, path, message } of diagnostics) {
  if (severity === 0) fault(`asyncapi.json: ${path.join('.')}: ${message}`);
}
if (!document) {
  fault('asyncapi.json: the parser gave no document');
} else {
  const operations = document.operations().all().length;
  const messages = document.messages().all().length;
  console.log(`asyncapi.json: ${document.channels().all().length} channels, ${operations} operations, ${messages} messages`);
}

for (let i = 0; i + 1 < pairs.length; i += 2) {
  const validate = validators[pairs[i]];
  let count = 0;
  for (const line of readFileSync(pairs[i + 1], 'utf8').split('\n').filter(Boolean)) {
    count++;
    if (!validate(JSON.parse(line))) fault(`${pairs[i]}: ${ajv.errorsText(validate.errors)}: ${line.slice(0, 200)}`);
  }
  console.log(`${pairs[i]}: ${count} messages`);
}
process.exit(faults ? 1 : 0);
