import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { ROUTES } from '../../src/commons/http/routes.ts'
import { openApi } from '../../src/commons/http/openapi.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a document as its readers see it
const document: any = JSON.parse(JSON.stringify(openApi(ROUTES, '0.0.0')))

interface Operation {
  readonly operationId: string
  readonly parameters?: {
    readonly name: string
    readonly in: string
    readonly required: boolean
    readonly schema: object
  }[]
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> }
  readonly responses: Record<
    string,
    {
      readonly description?: string
      readonly $ref?: string
      readonly content?: Record<string, { readonly schema: object }>
    }
  >
}

const operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
  ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)

/** Compiles a schema as a reader of the document would, its references into the document. */
function compile(schema: object): void {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'doc', components: document.components }, 'doc')
  const text = JSON.stringify(schema).replaceAll('"#/components/', '"doc#/components/')
  ajv.compile(JSON.parse(text) as object)
}

describe('the OpenAPI document', () => {
  it('names each operation once', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toHaveLength(ROUTES.length)
  })

  it('has every reference that it makes', () => {
    const references = JSON.stringify(document).match(/"#\/[^"]+"/g) ?? []
    expect(references.length).toBeGreaterThan(20)
    for (const reference of references) {
      const found = (JSON.parse(reference) as string)
        .split('/')
        .slice(1)
        .reduce((at, name) => at?.[name], document)
      expect({ reference, isThere: found !== undefined }).toEqual({ reference, isThere: true })
    }
  })

  it.each(operations.map(({ path, method, operation }) => [`${method} ${path}`, path, operation] as const))(
    '%s has valid schemas, and the parameters of its path',
    (_name, path, { parameters = [], requestBody, responses }) => {
      const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name)
      expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(inPath)
      for (const { schema } of parameters) compile(schema)
      for (const { schema } of Object.values(requestBody?.content ?? {})) compile(schema)
      expect(Object.keys(responses)).toContain('default')
      for (const { content = {}, description, $ref } of Object.values(responses)) {
        expect(description ?? $ref).toBeTruthy()
        for (const { schema } of Object.values(content)) compile(schema)
      }
    },
  )
})
