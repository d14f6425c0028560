#!/usr/bin/env node
// An A6b analyzer behind the npm package modbus-serial: a6b_modbus_serial.js PORT, then the same JSON lines on standard input
// as a6b_pymodbus.py. The register map is written once more here, independently of the other one.
"use strict";
const readline = require("readline");
const { ServerTCP } = require("modbus-serial");

const registers = new Map();
const results = new Map();
const commands = [];
let newest = 0;

function put(address, values) {
  values.forEach((value, offset) => registers.set(address + offset, value & 0xffff));
}

function textWords(bytes, count) {
  const padded = Buffer.alloc(2 * count);
  Buffer.from(bytes).copy(padded, 0, 0, 2 * count);
  return Array.from({ length: count }, (_, index) => padded.readUInt16BE(2 * index));
}

function floatWords(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(value);
  return [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
}

function crc16(bytes) {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}

function refresh() {
  const oldest = results.size ? Math.min(...results.keys()) : 0;
  put(0x12, [results.size ? 4 : 0, 8, 500, results.size, oldest >>> 16, oldest, newest >>> 16, newest]);
}

function finish(value, sample, time) {
  newest += 1;
  // 菠菜 and 张三 in GB 2312
  const name = [0xb2, 0xa4, 0xb2, 0xcb];
  const person = [0xd5, 0xc5, 0xc8, 0xfd];
  const window = [1, newest >>> 16, newest & 0xffff, 5, 101, 0, ...time, 1, ...floatWords(value), 1, 1, ...floatWords(0.801),
    ...floatWords(0.914), 0, ...textWords(Buffer.from(sample, "ascii"), 8), ...textWords(name, 10), ...textWords(person, 4), 0];
  const bytes = Buffer.alloc(2 * window.length);
  window.forEach((word, index) => bytes.writeUInt16BE(word, 2 * index));
  const crc = crc16(bytes);
  results.set(newest, [...window, ((crc & 0xff) << 8) | (crc >> 8)]);
  refresh();
  return newest;
}

function command(value) {
  const selected = (registers.get(0x20) | (registers.get(0x21) << 16)) >>> 0;
  commands.push([value, selected]);
  if (value === 1 && results.has(selected)) put(0x100, results.get(selected));
  if (value === 2) {
    for (const seq of [...results.keys()]) if (seq <= selected) results.delete(seq);
    refresh();
  }
}

for (let address = 0; address < 0x30; address += 1) registers.set(address, 0);
for (let address = 0x100; address < 0x12e; address += 1) registers.set(address, 0);
put(0x00, [0xa55d, 1, ...textWords(Buffer.from("NODEBUS"), 8), ...textWords(Buffer.from("IND-0002"), 8)]);
refresh();

const refused = { modbusErrorCode: 2, msg: "no such register" };
const server = new ServerTCP(
  {
    getHoldingRegister(address) {
      if (!registers.has(address)) throw refused;
      return registers.get(address);
    },
    setRegister(address, value) {
      if (!registers.has(address)) throw refused;
      registers.set(address, value);
      if (address === 0x22) command(value);
    },
  },
  { host: "127.0.0.1", port: Number(process.argv[2]), unitID: 1 },
);
server.on("initialized", () => process.stdout.write('{"ready":true}\n'));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  const answer = asked.finish ? { seq: finish(...asked.finish) } : { commands };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
