// Compiles Solidity with the compiler of one node_modules folder, imports from there too:
//
//     node compile.mjs MODULES < REQUEST > RESULT      solc's standard JSON, in and out, with its version
//
// Imports that begin with a key of the request's `folders` are read from the folder that it names.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const modules = resolve(process.argv[2])
const solc = createRequire(join(modules, 'any.js'))('solc')
const { folders, ...input } = JSON.parse(readFileSync(0, 'utf8'))

function readSource (path) {
  try {
    const start = Object.keys(folders).find((each) => path.startsWith(each))
    const file = start === undefined ? join(modules, path) : join(folders[start], path.slice(start.length))
    return { contents: readFileSync(file, 'utf8') }
  } catch (error) {
    return { error: error.message }
  }
}

const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readSource }))
process.stdout.write(JSON.stringify({ version: solc.version(), ...output }))
