#!/usr/bin/env node
// npm's solc behind the command line of the native compiler, for forge, which starts a program:
//
//     solc.mjs --version
//     solc.mjs [--base-path DIR] [--include-path DIR]... [--allow-paths DIR,...] --standard-json [FILE] [-]
//
// Standard JSON is read from FILE or standard input and written to standard output, as solc does. What a
// source imports and the input lacks is looked for under the base path, then under each include path; a
// file outside of these and the allowed paths is not read.

import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, relative, resolve } from 'node:path'

const solc = createRequire(import.meta.url)('solc')

function parseArguments (words) {
  const options = { base: process.cwd(), includes: [], allowed: [], standardJson: false, file: null }
  for (let index = 0; index < words.length; index++) {
    const [name, inline] = words[index].startsWith('--') ? split(words[index]) : [words[index], undefined]
    const value = () => {
      const given = inline ?? words[++index]
      if (given === undefined) throw new Error(`expected a value after ${name}, found none`)
      return given
    }
    if (name === '--version') options.version = true
    else if (name === '--standard-json') options.standardJson = true
    else if (name === '--base-path') options.base = resolve(value())
    else if (name === '--include-path') options.includes.push(resolve(value()))
    else if (name === '--allow-paths') options.allowed.push(...list(value()))
    else if (name === '-') options.file = null
    else if (!name.startsWith('-')) options.file = name
    else throw new Error(`expected standard JSON and where to look for sources, found ${name}`)
  }
  return options
}

function list (paths) {
  return paths.split(',').filter(Boolean).map((path) => resolve(path))
}

function split (word) {
  const at = word.indexOf('=')
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

function makeReader ({ base, includes, allowed }) {
  const folders = [base, ...includes]
  const readable = [...folders, ...allowed].filter((path) => existsSync(path)).map((path) => realpathSync(path))
  return (path) => {
    for (const folder of folders) {
      let file
      try {
        file = realpathSync(resolve(folder, path))
      } catch {
        continue
      }
      if (readable.some((root) => isWithin(root, file))) return { contents: readFileSync(file, 'utf8') }
    }
    return { error: `expected ${path} under ${folders.join(' or ')} (run: make npm)` }
  }
}

function isWithin (root, file) {
  const path = relative(root, file)
  return path !== '' && !path.startsWith('..') && !isAbsolute(path)
}

try {
  const options = parseArguments(process.argv.slice(2))
  if (options.version) {
    console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`)
  } else if (options.standardJson) {
    const input = readFileSync(options.file ?? 0, 'utf8')
    process.stdout.write(solc.compile(input, { import: makeReader(options) }) + '\n')
  } else {
    throw new Error('expected --version or --standard-json, found neither')
  }
} catch (error) {
  console.error(`tools/solc.mjs: ${error.message}`)
  process.exitCode = 1
}
