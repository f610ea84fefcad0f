// Reads a block's data.parquet with hyparquet, which shares no code with the readers of Parquet in Go, and checks its pages.
//
//   node block.mjs FILE rows     prints each row as `tempo-blocks rows -raw` does, a line of JSON
//   node block.mjs FILE pages    checks checksums, page indexes and bounds; prints what it has checked
//
// Exits 1 with the first thing that is wrong.
import { parquetMetadata, parquetReadObjects, parquetSchema } from 'hyparquet';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { compressors } from 'hyparquet-compressors';
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const [path, what] = process.argv.slice(2);
if (!path || !['rows', 'pages'].includes(what)) {
  console.error('usage: node block.mjs FILE rows|pages');
  process.exit(2);
}
const bytes = readFileSync(path);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const metadata = parquetMetadata(buffer);
const schema = parquetSchema(metadata);
const file = { byteLength: buffer.byteLength, slice: (from, to) => buffer.slice(from, to) };
const options = { file, metadata, compressors, utf8: false };

const goNames = { rs: 'ResourceSpans', ss: 'ScopeSpans' };
const kept = new Set(['Resource', 'Scope']); // they stay though they are empty

// plain is a value by its schema: bytes in hex, numbers as text, and nothing that is its type's zero.
function plain(node, value) {
  if (node.children.length === 0) return leaf(node.element, value);
  if (node.element.converted_type === 'LIST') {
    const element = node.children[0].children[0];
    return (value ?? []).map((v) => plain(element, v));
  }
  if (node.element.converted_type === 'MAP') {
    const of = node.children[0].children[1];
    return Object.fromEntries(Object.entries(value ?? {}).map(([k, v]) => [k, plain(of, v)]));
  }
  const out = {};
  for (const child of node.children) {
    const { name } = child.element;
    const v = plain(child, value?.[name]);
    if (kept.has(name) || !isZero(child, v)) out[goNames[name] ?? name] = v;
  }
  return out;
}

function leaf(element, v) {
  if (v === undefined || v === null) return null;
  if (element.type === 'DOUBLE') return doubleBits(v);
  if (v instanceof Uint8Array) return Buffer.from(v).toString('hex');
  return typeof v === 'number' || typeof v === 'bigint' ? String(v) : v;
}

function isZero(node, v) {
  if (v === null) return true;
  if (node.children.length > 0) return Object.keys(v).length === 0;
  return node.element.repetition_type !== 'OPTIONAL' && (v === '' || v === '0' || v === false);
}

function doubleBits(v) {
  if (Number.isNaN(v)) return 'NaN';
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, v);
  return view.getBigUint64(0).toString(16);
}

async function printRows() {
  const step = 256;
  const rows = Number(metadata.num_rows);
  for (let from = 0; from < rows; from += step) {
    const some = await parquetReadObjects({ ...options, rowStart: from, rowEnd: Math.min(rows, from + step) });
    process.stdout.write(some.map((row) => JSON.stringify(plain(schema, row)) + '\n').join(''));
  }
}

function check(condition, ...words) {
  if (!condition) throw new Error(words.join(' '));
}

function thriftAt(offset, length) {
  const reader = { view: new DataView(buffer, offset, length), offset: 0 };
  return { value: deserializeTCompactProtocol(reader), size: reader.offset };
}

const pageTypes = { dictionary: 2, dataV1: 0, dataV2: 3 };

// pageAt checks a page's checksum and returns its header and its end.
function pageAt(offset, where) {
  const { value: header, size } = thriftAt(offset, Math.min(4096, buffer.byteLength - offset));
  const start = offset + size;
  const end = start + header.field_3;
  check(header.field_4 !== undefined, where, 'has a page without a checksum at', offset);
  check(crc32(bytes.subarray(start, end)) === header.field_4 >>> 0, where, 'has a page with a wrong checksum at', offset);
  return { type: header.field_1, v1: header.field_5, v2: header.field_8, end };
}

// checkChunk holds the pages of a column in a row group against its two indexes.
function checkChunk(group, chunk, index) {
  const meta = chunk.meta_data;
  const where = `row group ${index}, column ${meta.path_in_schema.join('.')}`;
  check(chunk.offset_index_offset !== undefined, where, 'has no offset index');
  check(chunk.column_index_offset !== undefined, where, 'has no column index');
  const { field_1: pages } = thriftAt(Number(chunk.offset_index_offset), chunk.offset_index_length).value;
  const bounds = thriftAt(Number(chunk.column_index_offset), chunk.column_index_length).value;
  const counts = [bounds.field_1.length, bounds.field_2.length, bounds.field_3.length];
  check(counts.every((n) => n === pages.length), where, 'has', pages.length, 'pages and bounds of', counts);
  let at = Number(meta.dictionary_page_offset ?? meta.data_page_offset);
  const end = at + Number(meta.total_compressed_size);
  if (meta.dictionary_page_offset !== undefined) {
    const page = pageAt(at, where);
    check(page.type === pageTypes.dictionary, where, 'does not begin with its dictionary');
    at = page.end;
  }
  check(at === Number(meta.data_page_offset), where, 'has its first data page elsewhere');
  let values = 0;
  pages.forEach((location, i) => {
    check(Number(location.field_1) === at, where, 'has page', i, 'not where its index says');
    const page = pageAt(at, where);
    const header = page.v2 ?? page.v1;
    check(page.type === pageTypes.dataV2 || page.type === pageTypes.dataV1, where, 'has a page of another kind at', at);
    check(page.end - at === location.field_2, where, 'has page', i, 'of another size than its index says');
    values += header.field_1;
    const first = Number(location.field_3);
    const next = i + 1 < pages.length ? Number(pages[i + 1].field_3) : Number(group.num_rows);
    check(first < next && (i > 0 || first === 0), where, 'has the rows of page', i, 'out of order');
    if (page.v2) check(page.v2.field_3 === next - first, where, 'has', page.v2.field_3, 'rows in page', i);
    if (page.v2) check(bounds.field_1[i] === (page.v2.field_2 === page.v2.field_1), where, 'is wrong about nulls in page', i);
    if (page.v2 && bounds.field_5) check(Number(bounds.field_5[i]) === page.v2.field_2, where, 'counts nulls of page', i, 'wrongly');
    at = page.end;
  });
  check(at === end, where, 'ends at', at, 'and not at', end);
  check(values === Number(meta.num_values), where, 'has', values, 'values and says', meta.num_values);
  return { where, pages, bounds, meta };
}

// ordered makes a bound or value comparable with others of its column.
function ordered(element, v) {
  if (v === undefined || v === null) return null;
  if (v instanceof Uint8Array || typeof v === 'string') return Buffer.from(v).toString('hex');
  return typeof v === 'boolean' ? Number(v) : v;
}

function bound(element, raw) {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const unsigned = /^UINT/.test(element.converted_type ?? '');
  switch (element.type) {
    case 'BOOLEAN': return raw[0];
    case 'INT32': return unsigned ? view.getUint32(0, true) : view.getInt32(0, true);
    case 'INT64': return unsigned ? view.getBigUint64(0, true) : view.getBigInt64(0, true);
    case 'DOUBLE': return view.getFloat64(0, true);
    default: return ordered(element, raw);
  }
}

// values calls visit with each value of a column in a row.
function values(node, value, names, visit) {
  if (value === undefined || value === null) return;
  if (node.children.length === 0) return visit(value);
  if (node.element.converted_type === 'LIST') {
    for (const v of value) values(node.children[0].children[0], v, names.slice(2), visit);
  } else if (node.element.converted_type === 'MAP') {
    const [key, of] = node.children[0].children;
    for (const [k, v] of Object.entries(value)) names[1] === 'key' ? visit(k) : values(of, v, names.slice(2), visit);
  } else {
    const child = node.children.find((c) => c.element.name === names[0]);
    values(child, value[names[0]], names.slice(1), visit);
  }
}

function elementOf(names) {
  return names.reduce((node, name) => node.children.find((c) => c.element.name === name), schema).element;
}

// checkBounds finds every value of the rows of a page within the page's bounds.
function checkBounds(chunk, rows) {
  const names = chunk.meta.path_in_schema;
  const element = elementOf(names);
  chunk.pages.forEach((location, i) => {
    const next = i + 1 < chunk.pages.length ? Number(chunk.pages[i + 1].field_3) : rows.length;
    const empty = chunk.bounds.field_1[i];
    const low = empty || bound(element, chunk.bounds.field_2[i]);
    const high = empty || bound(element, chunk.bounds.field_3[i]);
    for (const row of rows.slice(Number(location.field_3), next)) {
      values(schema, row, names, (v) => {
        if (Number.isNaN(v)) return; // no bound says anything about it
        const o = ordered(element, v);
        check(!empty && low <= o && o <= high, chunk.where, 'has', o, 'in page', i, 'beyond its bounds', low, high);
      });
    }
  });
}

async function checkPages() {
  let pages = 0;
  let from = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    const chunks = group.columns.map((chunk) => checkChunk(group, chunk, index));
    const to = from + Number(group.num_rows);
    const rows = await parquetReadObjects({ ...options, rowStart: from, rowEnd: to });
    for (const chunk of chunks) {
      checkBounds(chunk, rows);
      pages += chunk.pages.length;
    }
    from = to;
  }
  check(from === Number(metadata.num_rows), 'the row groups have', from, 'rows, the file says', metadata.num_rows);
  console.log(JSON.stringify({ rows: from, row_groups: metadata.row_groups.length, pages }));
}

await (what === 'rows' ? printRows() : checkPages());
