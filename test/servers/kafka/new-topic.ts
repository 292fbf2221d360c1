/** A topic as CreateTopics asks for it. */
export function topic(name: string, numPartitions = 1, configs: Readonly<Record<string, string>> = {}) {
  return {
    name,
    numPartitions,
    replicationFactor: 1,
    assignments: [],
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  };
}
