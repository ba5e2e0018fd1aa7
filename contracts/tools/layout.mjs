// What solc says of a contract's variables, without the numbers that it gives to nodes of its syntax tree:
// these change with every edit of a source, names do not.

// Where a contract keeps its state: `variables` in order, and `types` by name with size, encoding, members.
export function describeStorage ({ storage, types }) {
  const described = {}
  for (const type of Object.values(types ?? {})) {
    const { label, members, key, value, base, ...rest } = type
    const nested = Object.fromEntries(
      Object.entries({ key, value, base }).filter(([, id]) => id).map(([role, id]) => [role, types[id].label]))
    const entry = { ...rest, ...nested, ...(members && { members: members.map((each) => place(each, types)) }) }
    if (described[label] && JSON.stringify(described[label]) !== JSON.stringify(entry)) {
      throw new Error(`expected one type called ${label}, found two; give one another name`)
    }
    described[label] = entry
  }
  const sorted = Object.fromEntries(Object.entries(described).sort(([one], [other]) => one < other ? -1 : 1))
  return { variables: storage.map((each) => place(each, types)), types: sorted }
}

function place ({ label, slot, offset, type }, types) {
  return { label, slot, offset, type: types[type].label }
}

// Where the constructor writes a contract's immutable values into its code: `Contract.variable` to a list of
// `start, length` in bytes.
export function describeImmutables (references, asts) {
  const names = new Map()
  for (const contract of asts.flatMap(({ nodes }) => nodes)) {
    for (const node of contract.nodeType === 'ContractDefinition' ? contract.nodes : []) {
      names.set(String(node.id), `${contract.name}.${node.name}`)
    }
  }
  const described = Object.entries(references).map(([id, places]) => {
    if (!names.has(id)) throw new Error(`expected a variable behind immutable ${id}, found none`)
    const sorted = places.map(({ start, length }) => ({ start, length })).sort((one, other) => one.start - other.start)
    return [names.get(id), sorted]
  })
  return Object.fromEntries(described.sort(([one], [other]) => one < other ? -1 : 1))
}
