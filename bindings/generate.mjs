// Prints the classes of a binding, made from the one table of what crosses: ts/backend/binding.ts.
//   node bindings/generate.mjs node|wasm
import { readFileSync } from 'node:fs'
import ts from 'typescript'

const path = new URL('../ts/backend/binding.ts', import.meta.url)
const file = ts.createSourceFile('binding.ts', readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
const declared = new Map(
  file.statements
    .filter((statement) => ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
    .map((statement) => [statement.name.text, statement]),
)

/** Aliases of `number`, which say more than it. */
const numbers = ['Whole', 'Seed', 'Finite']
/** Functions that each binding has by hand, outside the table. */
const unlisted = ['info', 'signatures']
/** The interface whose members ts/backend/handles.ts adds to every class. */
const base = 'Handle'
/** Typed arrays and what they hold. */
const arrays = { Uint8Array: 'u8', Uint32Array: 'u32', Float32Array: 'f32', Float64Array: 'f64' }
/** Those that a call fills. */
const filled = { Float32ArrayOut: 'f32', Float64ArrayOut: 'f64' }
/** An array on memory of the engine's. */
const view = 'View'
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** @typedef {{ name: string, kind: string, optional: boolean }} Argument */
/** @typedef {{ kind: string, later: boolean }} Result */
/** @typedef {{ role: 'new' | 'make' | 'get' | 'call', name: string, args: Argument[], result: Result }} Member */

/** The table of a binding: classes with their members, and functions. Optional members are the native binding's alone. */
function table(isNative) {
  const [classes, functions] = [[], []]
  const own = ({ questionToken }) => isNative || !questionToken
  for (const member of declared.get('Binding').members.filter(own)) {
    const name = member.name.text
    if (unlisted.includes(name)) continue
    if (ts.isMethodSignature(member)) functions.push({ role: 'call', ...signature(member, name) })
    else classes.push({ name, type: member.type })
  }
  // Interfaces are named for what they are to TypeScript, classes for what they are to the engine.
  const classOf = new Map(classes.map(({ name, type }) => [instanceOf(type), name]))
  const kindIn = (kind) => classOf.get(kind) ?? kind
  const named = (member) => ({
    ...member,
    args: member.args.map((arg) => ({ ...arg, kind: kindIn(arg.kind) })),
    result: { ...member.result, kind: kindIn(member.result.kind) },
  })
  return {
    functions: functions.map(named),
    classes: classes.map(({ name, type }) => ({ name, members: members(name, type, own).map(named) })),
  }
}

/** The interface of a class's instances. */
function instanceOf(type) {
  return (ts.isConstructorTypeNode(type) ? type : type.members[0]).type.getText()
}

/** The members of an interface and of those that it extends. */
function inherited({ members, heritageClauses = [] }) {
  const names = heritageClauses.flatMap(({ types }) => types.map((type) => type.getText()))
  const parents = names.filter((name) => name !== base).map((name) => declared.get(name))
  return [...parents.flatMap(inherited), ...members]
}

function members(name, type, own) {
  const makers = ts.isConstructorTypeNode(type)
    ? [{ role: 'new', ...signature(type, 'new') }]
    : type.members
        .filter(own)
        .map((member) =>
          ts.isConstructSignatureDeclaration(member)
            ? { role: 'new', ...signature(member, 'new') }
            : { role: 'make', ...signature(member, member.name.text) },
        )
  const methods = inherited(declared.get(instanceOf(type))).map((member) =>
    ts.isMethodSignature(member)
      ? { role: 'call', ...signature(member, member.name.text) }
      : { role: 'get', name: member.name.text, args: [], result: resultOf(member.type) },
  )
  return [...makers, ...methods].map((member) => ({ ...member, owner: name }))
}

function signature({ parameters, type }, name) {
  const args = parameters.map((parameter) => ({
    name: parameter.name.text,
    ...argumentOf(parameter.type),
    ...(parameter.questionToken && { optional: true }),
  }))
  return { name, args, result: resultOf(type) }
}

function argumentOf(type) {
  const parts = ts.isUnionTypeNode(type) ? type.types : [type]
  const given = parts.filter((part) => part.kind !== ts.SyntaxKind.UndefinedKeyword)
  const optional = given.length < parts.length
  return { kind: given.length === 1 ? kindOf(given[0]) : 'string', optional }
}

function resultOf(type) {
  const later = ts.isTypeReferenceNode(type) && type.typeName.text === 'Promise'
  return { kind: argumentOf(later ? type.typeArguments[0] : type).kind, later }
}

/** `Whole`, `number`, a class, a typed array …; a union of literals is a string. */
function kindOf(type) {
  const name = type.getText()
  const alias = declared.get(name)
  if (
    numbers.includes(name) ||
    name in filled ||
    name === view ||
    !alias ||
    !ts.isTypeAliasDeclaration(alias)
  )
    return name
  return argumentOf(alias.type).kind
}

/** What a binding says in its own way. */
const bindings = {
  node: {
    mark: 'napi',
    maker: 'factory, ',
    string: 'String',
    array: (kind) => kind,
    filled: (type) => `Filled<'_, ${type}>`,
    list: (kind) => [
      `${kind}Slice<'a>`,
      `.and_then(|list| ${kind}Slice::copy_from(env, list).map_err(refused))`,
      ["env: &'a Env"],
    ],
    view: ["Uint8ArraySlice<'a>", '.and_then(|file| view(env, file).map_err(refused))', ["env: &'a Env"]],
    later: (type) => [`AsyncTask<Later<${type}>>`, '.map(Later::task)'],
    optional: (kind) => `&${kind}`,
    share: () => [],
    holds: (kind) => `Handle<engine::${kind}>`,
    held: (x) => `&*${x}.0.get("${x}")?`,
    heldOptional: (x) => `${x}.map(|x| x.0.get("${x}")).transpose()?.as_deref()`,
    own: (kind) => `.map(|made| ${kind}(Handle::new(&env, made)))`,
    ownParameters: ['env: Env'],
    shared: (kind) => `.map(|made| ${kind}(Handle::sharing(made)))`,
    attributes: 'custom_finalize',
    more: (name) => `
impl ObjectFinalize for ${name} {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.0.free(&env);
        Ok(())
    }
}
`,
    free: `
/// Frees what the handle holds.
#[napi]
pub fn free(&self, env: Env) {
    self.0.free(&env);
}
`,
  },
  wasm: {
    mark: 'wasm_bindgen',
    maker: '',
    string: '&str',
    array: (kind) => `js_sys::${kind}`,
    filled: (type) => `&mut [${type}]`,
    list: (kind) => [`Vec<${arrays[kind]}>`, ''],
    later: (type) => [type, '.and_then(now)'],
    // wasm-bindgen takes an `Option` of a class by value alone, and would empty the caller's handle.
    optional: (kind) => `${kind}Reference`,
    share: (x) => [`let ${x} = ${x}.map(|x| x.share()).transpose()?;`],
    holds: (kind) => `engine::${kind}`,
    held: (x) => `&${x}.0`,
    heldOptional: (x) => `${x}.as_ref().map(|x| &x.0)`,
    own: (kind) => `.map(${kind})`,
    ownParameters: [],
    shared: (kind) => `.map(${kind})`,
    attributes: '',
    more: () => '',
    free: '', // wasm-bindgen makes it
  },
}

/** An argument in Rust: its type and how the engine is given it. `lent` where the engine does not keep arrays. */
function argument({ name, kind, optional }, lent, binding) {
  const x = snake(name)
  if (kind === 'Whole') return ['f64', `${x} as usize`]
  if (kind === 'Seed') return ['f64', `engine::seed_bits(${x})?`]
  if (kind === 'number' || kind === 'Finite') return ['f64', x]
  if (kind === 'boolean') return ['bool', x]
  if (kind === 'string') return optional ? ['Option<String>', `${x}.as_deref()`] : [binding.string, `&${x}`]
  if (kind in filled) return [binding.filled(filled[kind]), x]
  if (kind in arrays) {
    if (optional) return [`Option<${binding.array(kind)}>`, `${x}.map(|x| taken("${name}", &x)).transpose()?`]
    return lent ? [`&[${arrays[kind]}]`, x] : [binding.array(kind), `taken("${name}", &${x})?`]
  }
  return optional
    ? [`Option<${binding.optional(kind)}>`, binding.heldOptional(x)]
    : [`&${kind}`, binding.held(x)]
}

/** A result in Rust: its type, how it comes of the engine's, and what else the call takes for it. */
function returned({ kind, later }, role, binding) {
  if (later) return binding.later({ void: '()', string: 'String' }[kind] ?? `Vec<${arrays[kind]}>`)
  if (kind === 'void') return ['()', '']
  if (kind === 'Whole') return ['f64', '.map(|n| n as f64)']
  if (['number', 'Finite', 'Seed'].includes(kind)) return ['f64', '']
  if (kind === 'boolean') return ['bool', '']
  if (kind === 'string') return ['String', '.map(String::from)']
  if (kind in arrays) return binding.list(kind)
  if (kind === view) return binding.view
  return role === 'get' ? [kind, binding.shared(kind)] : [kind, binding.own(kind), binding.ownParameters]
}

/** A method, getter, constructor or function. */
function member({ role, name, owner, args, result }, binding) {
  const made = role === 'new' || role === 'make'
  const passed = args.map((arg) => [snake(arg.name), ...argument(arg, !made, binding)])
  const [type, convert, more = []] = made
    ? ['Self', binding.own('Self'), binding.ownParameters]
    : returned(result, role, binding)
  const shares = args
    .filter(({ kind, optional }) => optional && isClass(kind))
    .flatMap(({ name }) => binding.share(snake(name)))
  const self = binding.held('self').replace(/^&\*?/, '')
  const path = made ? `engine::${owner}::` : owner ? `${self}.` : 'engine::kernels::'
  const call = `${path}${snake(name)}(${passed.map(([, , pass]) => pass).join(', ')})`
  const parameters = [
    ...(owner && !made ? ['&self'] : []),
    ...more,
    ...passed.map(([x, type]) => `${x}: ${type}`),
  ]
  const named = `js_name = "${name}"`
  const attribute = { new: 'constructor', make: binding.maker + named, get: `getter, ${named}`, call: named }[
    role
  ]
  return `#[${binding.mark}(${attribute})]
pub fn ${snake(name)}${more.some((text) => text.includes("'a")) ? "<'a>" : ''}(${parameters.join(', ')}) -> Result<${type}> {
${shares.map((line) => `${line}\n`).join('')}guard(|| engine::Outcome::outcome(${call}))${convert}
}
`
}

const isClass = (kind) =>
  /^[A-Z]/.test(kind) && !(kind in arrays) && !(kind in filled) && !numbers.includes(kind)

/** What arguments each call takes, for ts/backend/signatures.ts: `null` where a class has no constructor. */
function signatures({ classes, functions }) {
  const entries = [...classes.flatMap(({ members }) => members), ...functions].filter(
    ({ role }) => role !== 'get',
  )
  const list = entries.map(({ role, name, owner, args, result }) => [
    role === 'new' ? owner : owner ? `${owner}.${name}` : name,
    (result.later ? 'async ' : '') +
      args.map(({ name, kind, optional }) => `${name}: ${kind}${optional ? '?' : ''}`).join(', '),
  ])
  const unmade = classes.filter(({ members }) => !members.some(({ role }) => role === 'new'))
  return JSON.stringify(Object.fromEntries([...unmade.map(({ name }) => [name, null]), ...list]))
}

/** The Rust of a binding. */
function generate(binding) {
  const { mark } = binding
  const all = table(mark === 'napi')
  const classes = all.classes.map(
    ({ name, members }) => `#[${mark}${binding.attributes && `(${binding.attributes})`}]
pub struct ${name}(${binding.holds(name)});
${binding.more(name)}
#[${mark}]
impl ${name} {
${members.map((each) => member(each, binding)).join('\n')}${binding.free}
}
`,
  )
  return `// Made by bindings/generate.mjs from ts/backend/binding.ts.
${classes.join('\n')}
${all.functions.map((each) => member(each, binding)).join('\n')}
/// What arguments each call takes, as JSON: see ts/backend/signatures.ts.
#[${mark}]
pub fn signatures() -> String {
    r#"${signatures(all)}"#.to_owned()
}
`
}

process.stdout.write(generate(bindings[process.argv[2]]))
