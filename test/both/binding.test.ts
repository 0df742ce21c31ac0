import { readFileSync } from 'node:fs'
import ts from 'typescript'
import * as assert from 'uvu/assert'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('binding')

test('the backend has the classes and functions of the table, no more and no less', ({ backend }) => {
  const text = readFileSync(new URL('../../ts/backend/binding.ts', import.meta.url), 'utf8')
  const file = ts.createSourceFile('binding.ts', text, ts.ScriptTarget.Latest)
  const interfaces = new Map(
    file.statements.filter(ts.isInterfaceDeclaration).map((declared) => [declared.name.text, declared]),
  )
  const membersOf = (name: string): ts.TypeElement[] => {
    const { members, heritageClauses = [] } = interfaces.get(name) as ts.InterfaceDeclaration
    const parents = heritageClauses.flatMap(({ types }) => types.map((type) => type.getText(file)))
    // The symbol that disposes stands beside `dispose`.
    return [...parents.flatMap(membersOf), ...members.filter(({ name }) => name && ts.isIdentifier(name))]
  }
  const nameOf = ({ name }: ts.TypeElement) => (name as ts.Identifier).text
  const instanceName = (type: ts.TypeNode | undefined): string => {
    const { members } = type as { members?: ts.NodeArray<ts.TypeElement> }
    const made = members?.[0] ?? type
    return ((made as ts.MethodSignature).type as ts.TypeReferenceNode).typeName.getText(file)
  }
  // What is optional belongs to the native binding alone.
  const native = backend.info().backend === 'native'
  const table = membersOf('Binding').filter(({ questionToken }) => native || !questionToken)
  const names = table.map(nameOf).filter((name) => name !== 'signatures')
  assert.ok(names.length > 15)
  assert.equal(Object.keys(backend).sort(), names.sort())
  for (const member of table.filter(ts.isPropertySignature)) {
    const members = membersOf(instanceName(member.type))
    const { prototype } = backend[nameOf(member) as 'Vector'] as { prototype: object }
    // wasm-bindgen adds the names of its own insides.
    const own = Object.getOwnPropertyNames(prototype).filter((name) => !/^(constructor|__)/.test(name))
    assert.equal(own.sort(), [...new Set(members.map(nameOf))].sort(), nameOf(member))
  }
})

test.run()
