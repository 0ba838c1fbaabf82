import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as surface from '../../lib/crossing/native.js';
import * as record from '../../lib/crossing/record.js';
import { nativeOptions } from '../../lib/handshake/core-options.js';
import { createServer } from '../../lib/index.js';
import { defaults } from '../../lib/shared/defaults.js';

const read = (file: string) => readFileSync(file, 'utf8');

/** The fields of a C struct, in their order. */
function fieldsOf(header: string, name: string): string[] {
  const text = read(`native/core/${header}`).replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const body = new RegExp(`typedef struct ${name} \\{([\\s\\S]*?)\\n\\} ${name};`).exec(text)?.[1];
  if (body === undefined) throw new Error(`Expected the struct ${name} in ${header}`);
  return body
    .split(';')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .flatMap((line) => line.replace(/^(?:const )?\w+ \*?/, '').split(','))
    .map((field) => field.trim().replace(/\[.*$/, ''));
}

/** The constants of a C header, or of one of its enums, that begin with a prefix, by what follows it. */
function constantsOf(header: string, prefix: string, only = ''): Record<string, number> {
  const text = read(`native/core/${header}`).replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const found: Record<string, number> = {};
  for (const [, name, body] of text.matchAll(/enum(?: (\w+))? \{([^}]*)\}/g)) {
    if (only !== '' && name !== only) continue;
    let next = 0;
    for (const line of body!.split(',')) {
      const [, constant, value] = /^(\w+)(?:\s*=\s*([\w* ]+))?$/.exec(line.trim()) ?? [];
      if (constant === undefined) continue;
      const factors = (value ?? `${next}`).split('*').map(Number);
      next = factors.reduce((product, factor) => product * factor, 1) + 1;
      if (constant.startsWith(prefix)) found[constant.slice(prefix.length)] = next - 1;
    }
  }
  return found;
}

const camel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

describe('what crosses by position', () => {
  test('a record has its words where lwsn_record has its fields', () => {
    const { SLOT, GENERATION, SLAB, OFFSET, LENGTH, DETAIL, EXTRA } = record;
    const words = { kind: 0, SLOT, GENERATION, SLAB, OFFSET, LENGTH, DETAIL, EXTRA };
    const fields = fieldsOf('crossing/inbound.h', 'lwsn_record');
    expect(fields).toEqual(Object.keys(words).map((name) => name.toLowerCase()));
    expect(Object.values(words)).toEqual(fields.map((_, place) => place));
    expect(record.RECORD_WORDS).toBe(fields.length);
  });

  test('the head of an out-record has its words where lwsn_out_record has its fields', () => {
    const { OUT_SLOT, OUT_GENERATION, OUT_LENGTH } = record;
    const fields = fieldsOf('crossing/outbound.h', 'lwsn_out_record');
    expect(fields[OUT_SLOT]).toBe('slot');
    expect(fields[OUT_GENERATION]).toBe('link'); /* the generation, until it is read */
    expect(fields[OUT_LENGTH]).toBe('length');
  });
});

describe('numbers that both sides know', () => {
  const inbound = (prefix: string) => constantsOf('crossing/inbound.h', prefix);
  const outbound = constantsOf('crossing/outbound.h', 'LWSN_');
  const flags = constantsOf('websocket/connection.h', 'LWSN_CONNECTION_', 'lwsn_connection_flag');
  const { SERVER, ...request } = inbound('LWSN_REQUEST_');
  const of = (names: object, from: Record<string, number>) =>
    Object.fromEntries(Object.keys(names).map((name) => [name, from[name]]));

  test.each([
    ['Kind', surface.Kind, inbound('LWSN_RECORD_')],
    ['RequestFlag', surface.RequestFlag, request],
    ['FragmentFlag', surface.FragmentFlag, inbound('LWSN_FRAGMENT_')],
    ['Gone', surface.Gone, inbound('LWSN_GONE_')],
    ['Closing', surface.Closing, inbound('LWSN_CLOSING_')],
    ['ConnectionFlag and DeflateShift', { ...surface.ConnectionFlag, ...surface.DeflateShift }, flags],
  ])('%s has all names of its C enum, with their numbers', (_, ours, theirs) => {
    expect(ours).toEqual(theirs);
  });

  test('Out has the numbers of lwsn_out_kind', () => {
    const kinds = constantsOf('crossing/outbound.h', 'LWSN_OUT_');
    expect(surface.Out).toEqual(of(surface.Out, kinds));
    const others = Object.keys(kinds).filter((name) => !(name in surface.Out));
    expect(others).toEqual(['PLAIN', 'SIZE', 'START', 'HEADER', 'COPY_MAX', 'WRITE_OFFSET', 'SORTED']);
  });

  test('the places and bounds of the out-ring are those of outbound.h', () => {
    const { OUT_START, OUT_HEADER, OUT_COPY_MAX, OUT_WRITE_OFFSET, OUT_SORTED, OPCODE_RAW } = surface;
    const ours = { OUT_START, OUT_HEADER, OUT_COPY_MAX, OUT_WRITE_OFFSET, OUT_SORTED, OPCODE_RAW };
    expect(ours).toEqual(of(ours, outbound));
    expect(surface.PLAIN).toBe(outbound.OUT_PLAIN);
    expect(surface.OUT_SHORT_MAX).toBe(constantsOf('wire/frame.h', 'LWSN_').SHORT_MAX);
    expect(surface.REQUEST_SERVER).toBe(SERVER);
  });
});

describe('what crosses by name', () => {
  const binding = read('native/binding/servers.cc');

  test('the options are those of lwsn_server_options, each read by its name', () => {
    const fields = fieldsOf('net/server.h', 'lwsn_server_options').map(camel).sort();
    expect(Object.keys(nativeOptions({}, undefined)).sort()).toEqual(fields);
    const reading = binding.slice(binding.indexOf('ReadServerOptions(')).split('\n}\n')[0]!;
    const given = [...reading.matchAll(/options\.(\w+) = given\.\w+\("(\w+)"\);/g)];
    for (const [, field, name] of given) expect(camel(field!)).toBe(name);
    expect(given.map(([, , name]) => name).sort()).toEqual(fields);
  });

  test('the address is that of lwsn_listen_options, each field read by its name', () => {
    const names: Record<string, string> = { v6_only: 'ipv6Only' };
    const fields = fieldsOf('net/listener.h', 'lwsn_listen_options');
    const reading = binding.slice(binding.indexOf('Napi::Value Listen(')).split('\n}\n')[0]!;
    const given = [...reading.matchAll(/given\.\w+\("(\w+)"\)/g)].map(([, name]) => name);
    expect(given).toEqual(fields.map((field) => names[field] ?? camel(field)));
  });

  test('the counters are those of lwsn_server_stats, and what others count for a server', async () => {
    const server = createServer();
    const own = ['messagesDiscarded', 'upgradesRefused', 'topics', 'subscriptions', 'publicationsLost'];
    const fields = fieldsOf('net/server.h', 'lwsn_server_stats').map(camel);
    expect(Object.keys(server.stats()).sort()).toEqual([...fields, ...own].sort());
    await server.close();
  });
});

describe('defaults', () => {
  const page = read('docs/options.md');

  test.each(Object.entries(defaults))('%s is %i in the documentation too', (name, value) => {
    const section = page.slice(page.indexOf(`### ${name}\n`)).split('\n### ')[0]!;
    const written = /default `([\d_]+)`/.exec(section)?.[1];
    expect(Number(written?.replaceAll('_', ''))).toBe(value);
  });

  test('stand in no other place', () => {
    /* numbers that are nothing else in the sources of servers and clients */
    const table = read('lib/shared/defaults.ts');
    expect(table).toContain('120_000');
    for (const file of [
      'handshake/core-options',
      'connection/host',
      'server/server',
      'server/target',
      'server/listening',
    ])
      expect(read(`lib/${file}.ts`)).not.toMatch(/\?\? [1-9]|= [1-9]\d*_000/);
  });
});

describe('bounds', () => {
  /** Of each option in the documentation, as createServer takes it. */
  const documented = read('docs/options.md')
    .split('\n### ')
    .slice(1)
    .flatMap((section) => {
      const bounds = /^(\w+)\n\n[^\n]*`([\d_]+)` to `([\d_]+)`/.exec(section);
      const number = (text: string) => Number(text.replaceAll('_', ''));
      return bounds ? [{ name: bounds[1]!, min: number(bounds[2]!), max: number(bounds[3]!) }] : [];
    })
    .filter(({ name }) => name !== 'trustProxy'); /* one of several types; trust-proxy.test has it */

  test('stand in the documentation of all options that have any', () => {
    const source = read('lib/server/options.ts') + read('lib/connection/handler-checks.ts');
    const checked = [...source.matchAll(/^ {2}(\w+): (?:integer|number)\(/gm)].map((match) => match[1]);
    expect(documented.map(({ name }) => name).sort()).toEqual(checked.sort());
  });

  test.each(documented)('$name goes from $min to $max', async ({ name, min, max }) => {
    for (const value of [min, max]) await createServer({ [name]: value }).close();
    for (const value of [min - 1, max + 1])
      expect(() => createServer({ [name]: value })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_OPTION' }),
      );
  });
});
