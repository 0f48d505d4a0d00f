import { describe, expect, it } from 'vitest'
import type { Json } from '../../src/commons/json.ts'
import { parseJson } from '../../src/commons/json.ts'
import { schemaFault } from '../../src/commons/schemas/schema-bounds.ts'
import { Validators } from '../../src/commons/schemas/validator.ts'

describe('a schema that an agent brings', () => {
  it.each<[string, Json, string]>([
    ['a regular expression', { properties: { a: { pattern: '^(a+)+$' } } }, '/properties/a/pattern'],
    ['regular expressions as keys', { patternProperties: { a: true } }, '/patternProperties'],
    ['a reference to somewhere else', { $ref: 'https://example.org/schema' }, '/$ref'],
    ['a reference to a circle', { properties: { next: { $ref: '#' } } }, '/$ref'],
    ['another draft', { $schema: 'http://json-schema.org/draft-04/schema#' }, '/$schema'],
    ['an id of its own', { $id: 'https://example.org/x' }, '/$id'],
    ['uniqueItems of long lists', { uniqueItems: true }, '/uniqueItems'],
    ['no schema at all', 'text', ''],
  ])('is refused with %s', (_name, schema, where) => {
    expect(schemaFault(schema)).toMatchObject({ where })
  })

  it('is refused when its references double with each line', () => {
    const $defs: Record<string, Json> = { s0: { type: 'object' } }
    for (let n = 1; n <= 40; n++)
      $defs[`s${n}`] = { allOf: [{ $ref: `#/$defs/s${n - 1}` }, { $ref: `#/$defs/s${n - 1}` }] }
    expect(schemaFault({ $defs, $ref: '#/$defs/s40' })).toMatchObject({ where: '/$ref' })
    expect(schemaFault({ $defs, $ref: '#/$defs/s5' })).toBeUndefined()
  })

  it.each<[string, Json]>([
    ['a property that is called pattern', { properties: { pattern: { type: 'string' }, $id: true } }],
    ['data that looks like keywords', { const: { pattern: 'a', $ref: 'b' }, enum: [{ $id: 'x' }] }],
    ['true', true],
    ['short unique lists', { uniqueItems: true, maxItems: 16 }],
  ])('may have %s', (_name, schema) => {
    expect(schemaFault(schema)).toBeUndefined()
  })

  it('is compiled once, and says what does not fit and where', () => {
    const validators = new Validators()
    const schema = { type: 'object', required: ['id'], properties: { id: { type: 'string', maxLength: 3 } } }
    expect(validators.of(schema)).toBe(validators.of({ ...schema }))
    const validate = validators.of(schema)
    expect(validate({ id: 'abc' })).toBeUndefined()
    expect(validate({ id: 'abcd' })).toMatchObject({
      where: '/id',
      found: expect.stringContaining('maxLength') as string,
    })
    expect(validate({})).toMatchObject({ where: '/', found: expect.stringContaining('required') as string })
  })

  it('with a keyword that nobody knows is refused by name', () => {
    expect(() => new Validators().of({ typo: 'string' })).toThrow(/typo/)
  })
})

describe('JSON from outside', () => {
  it.each([
    ['[1, {"a": "]}"}]', [1, { a: ']}' }]],
    ['"\\"[["', '"[['],
  ])('%s is read', (text, value) => {
    expect(parseJson(text, 'body', 100)).toEqual(value)
  })

  it.each([
    ['{', 'malformed'],
    ['[1', 'malformed'],
    ['['.repeat(65) + ']'.repeat(65), 'malformed'],
    [`"${'x'.repeat(100)}"`, 'too-large'],
  ])('%s is refused', (text, why) => {
    expect(() => parseJson(text, 'body', text.startsWith('"') ? 50 : 10_000)).toThrow(
      expect.objectContaining({ why }),
    )
  })
})
