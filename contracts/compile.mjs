// Compiles every contract of src/ that can be deployed, the same bytes every time:
//
//     node compile.mjs [FOLDER]          <Name>.json each, what Python needs of it, into FOLDER
//                                        (../synthlib/chain/artifacts if none is given)
//     node compile.mjs --storage FILE    where each of them keeps its state, as snapshots/storage.json has it
//
// The EVM version is named because solc's default is newer than the in-process chain, and the hash of the
// metadata is left out because it would change the bytecode with every comment. Each contract is compiled
// with what it imports and nothing else, so that no other contract can change its bytes.

import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeImmutables, describeStorage } from './tools/layout.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const solc = createRequire(import.meta.url)('solc')

const settings = {
  evmVersion: 'prague',
  optimizer: { enabled: true, runs: 200 },
  viaIR: true,
  metadata: { bytecodeHash: 'none' }
}
const wanted = ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object',
  'evm.deployedBytecode.immutableReferences', 'storageLayout']

function listSources () {
  const names = readdirSync(join(here, 'src'), { recursive: true }).map((name) => name.replaceAll('\\', '/'))
  return names.filter((name) => name.endsWith('.sol')).sort().map((name) => `src/${name}`)
}

function readSource (path) {
  try {
    const folder = path.startsWith('src/') ? here : join(here, 'node_modules')
    return { contents: readFileSync(join(folder, path), 'utf8').replaceAll('\r\n', '\n') }
  } catch (error) {
    return { error: `expected ${path} in contracts/src or node_modules (run: make npm): ${error.message}` }
  }
}

function run (path, outputSelection, others = {}) {
  const source = readSource(path)
  if (source.error) throw new Error(source.error)
  const sources = { [path]: { content: source.contents } }
  const input = { language: 'Solidity', sources, settings: { ...settings, outputSelection, ...others } }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readSource }))
  // A warning is an error here: a registry that is never changed has to be right when it is deployed.
  const complaints = (output.errors ?? []).filter(({ severity }) => severity !== 'info')
  if (complaints.length) throw new Error(complaints.map((each) => each.formattedMessage).join('\n'))
  return output
}

// Names of the contracts in a file that can be deployed: no interface, library or abstract contract.
function listContracts (path) {
  const { nodes } = run(path, { [path]: { '': ['ast'] } }, { stopAfter: 'parsing' }).sources[path].ast
  return nodes.filter((node) => node.nodeType === 'ContractDefinition' && node.contractKind === 'contract' &&
    !node.abstract).map(({ name }) => name)
}

function compile () {
  const compiled = new Map()
  for (const path of listSources()) {
    const names = listContracts(path)
    if (names.length === 0) continue
    const selection = Object.fromEntries(names.map((name) => [name, wanted]))
    const output = run(path, { '*': { '': ['ast'] }, [path]: { '': ['ast'], ...selection } })
    for (const name of names) {
      if (compiled.has(name)) throw new Error(`expected one contract ${name} in src, found another in ${path}`)
      const asts = Object.values(output.sources).map(({ ast }) => ast)
      compiled.set(name, { ...output.contracts[path][name], asts })
    }
  }
  if (compiled.size === 0) throw new Error('expected a contract in contracts/src, found none')
  return compiled
}

function toArtifact (name, { abi, evm, asts }) {
  return {
    contract: name,
    compiler: { solc: solc.version(), ...settings },
    abi,
    bytecode: '0x' + evm.bytecode.object,
    deployedBytecode: '0x' + evm.deployedBytecode.object,
    immutableReferences: describeImmutables(evm.deployedBytecode.immutableReferences ?? {}, asts)
  }
}

function writeAtomically (path, content) {
  mkdirSync(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}.partial`
  try {
    writeFileSync(partial, JSON.stringify(content, null, 1) + '\n')
    renameSync(partial, path)
  } finally {
    rmSync(partial, { force: true })
  }
}

const [option, file] = process.argv.slice(2)
if (option === '--storage') {
  if (!file) throw new Error('expected a FILE after --storage, found none')
  const layouts = [...compile()].map(([name, { storageLayout }]) => [name, describeStorage(storageLayout)])
  writeAtomically(resolve(file), Object.fromEntries(layouts))
} else {
  const folder = resolve(option ?? join(here, '..', 'synthlib', 'chain', 'artifacts'))
  for (const [name, output] of compile()) {
    const artifact = toArtifact(name, output)
    writeAtomically(join(folder, `${name}.json`), artifact)
    console.log(`${name}: ${(artifact.deployedBytecode.length - 2) / 2} bytes of code, ${artifact.compiler.solc}`)
  }
}
