// Compiles src/ProvenanceRegistry.sol and writes what Python needs of it, the same bytes every time:
//
//     node compile.mjs [FILE]      FILE defaults to ../synthlib/chain/artifacts/ProvenanceRegistry.json
//
// The EVM version is named because solc's default is newer than the in-process chain, and the hash of the
// metadata is left out because it would change the bytecode with every comment.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const CONTRACT = 'ProvenanceRegistry'
const here = dirname(fileURLToPath(import.meta.url))
const solc = createRequire(import.meta.url)('solc')

const settings = {
  evmVersion: 'prague',
  optimizer: { enabled: true, runs: 200 },
  viaIR: true,
  metadata: { bytecodeHash: 'none' },
  outputSelection: { '*': { [CONTRACT]: ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } }
}

function readSource (path) {
  try {
    const folder = path.startsWith('src/') ? here : join(here, 'node_modules')
    return { contents: readFileSync(join(folder, path), 'utf8').replaceAll('\r\n', '\n') }
  } catch (error) {
    return { error: `expected ${path} in contracts/src or node_modules (run: make npm): ${error.message}` }
  }
}

function compile () {
  const main = `src/${CONTRACT}.sol`
  const source = readSource(main)
  if (source.error) throw new Error(source.error)
  const input = { language: 'Solidity', sources: { [main]: { content: source.contents } }, settings }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readSource }))
  // A warning is an error here: a registry that is never changed has to be right when it is deployed.
  const complaints = (output.errors ?? []).filter(({ severity }) => severity !== 'info')
  if (complaints.length) throw new Error(complaints.map((each) => each.formattedMessage).join('\n'))
  const { abi, evm } = output.contracts[main][CONTRACT]
  const { outputSelection, ...compiler } = settings
  return {
    contract: CONTRACT,
    compiler: { solc: solc.version(), ...compiler },
    abi,
    bytecode: '0x' + evm.bytecode.object,
    deployedBytecode: '0x' + evm.deployedBytecode.object
  }
}

function writeAtomically (path, text) {
  mkdirSync(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}.partial`
  try {
    writeFileSync(partial, text)
    renameSync(partial, path)
  } finally {
    rmSync(partial, { force: true })
  }
}

const target = resolve(process.argv[2] ?? join(here, '..', 'synthlib', 'chain', 'artifacts', `${CONTRACT}.json`))
const artifact = compile()
writeAtomically(target, JSON.stringify(artifact, null, 1) + '\n')
console.log(`${target}: ${(artifact.deployedBytecode.length - 2) / 2} bytes of code, ${artifact.compiler.solc}`)
