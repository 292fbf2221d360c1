/** Gets Apache Kafka from Maven Central, and librdkafka's load generator from Debian, into a cache. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The newest whose command-line tools are published too. */
export const KAFKA_VERSION = '4.3.1';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice-bench');
const jars = join(cache, `kafka-${KAFKA_VERSION}`);
export const KAFKA_CLASS_PATH = join(jars, '*');

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId>
  <artifactId>bench-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${KAFKA_VERSION}</version></dependency>
  </dependencies>
</project>
`;

/** Throws an error that says why Kafka cannot be had. */
export function ensureKafka(note: (text: string) => void): void {
  if (existsSync(jars)) return;
  if (!has('java') || !has('mvn')) installPackages(['default-jre-headless', 'maven'], note);
  note(`fetching Apache Kafka ${KAFKA_VERSION}`);
  const unfinished = `${jars}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  const pom = join(cache, `pom.${process.pid}.xml`);
  writeFileSync(pom, POM);
  const args = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${unfinished}`];
  const { status } = spawnSync('mvn', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  rmSync(pom);
  if (status !== 0) {
    rmSync(unfinished, { recursive: true });
    throw new Error('Apache Kafka cannot be measured: Maven could not fetch it');
  }
  renameSync(unfinished, jars);
}

/** The example of librdkafka's package, which expects to be built in its source tree. */
const PERFORMANCE_SOURCE = '/usr/share/doc/librdkafka-dev/examples/rdkafka_performance.c';
/** What it takes from its neighbours there: time, and some of C. */
const NEIGHBOUR = `#pragma once
#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#define rd_snprintf snprintf
#define RD_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RD_MAX(a, b) ((a) > (b) ? (a) : (b))
typedef int64_t rd_ts_t;
static inline rd_ts_t rd_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (rd_ts_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
`;

const rdkafkaDirectory = join(cache, 'rdkafka_performance');
/** Where it is once it has been built. */
export const RDKAFKA_PERFORMANCE = join(rdkafkaDirectory, 'rdkafka_performance');

/** The path of rdkafka_performance; undefined where it cannot be built. */
export function ensureRdkafkaPerformance(note: (text: string) => void): string | undefined {
  const program = RDKAFKA_PERFORMANCE;
  if (existsSync(program)) return program;
  if (!existsSync(PERFORMANCE_SOURCE) || !has('cc')) {
    installPackages(['gcc', 'libc6-dev', 'librdkafka-dev', 'zlib1g-dev'], note);
  }
  const include = join(rdkafkaDirectory, 'examples');
  mkdirSync(include, { recursive: true });
  mkdirSync(join(rdkafkaDirectory, 'src'), { recursive: true });
  for (const file of ['src/rd.h', 'examples/rd.h', 'examples/rdtime.h']) {
    writeFileSync(join(rdkafkaDirectory, file), file === 'src/rd.h' ? NEIGHBOUR : '#include "../src/rd.h"\n');
  }
  if (!existsSync(join(include, 'rdkafka.h')))
    symlinkSync('/usr/include/librdkafka/rdkafka.h', join(include, 'rdkafka.h'));
  const args = ['-O2', `-I${include}`, '-o', program, PERFORMANCE_SOURCE, '-lrdkafka', '-lz'];
  if (spawnSync('cc', args, { stdio: ['ignore', 'ignore', 'ignore'] }).status === 0) return program;
  note('not measured: librdkafka, whose rdkafka_performance cannot be built');
  return undefined;
}

function has(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;
}

function installPackages(packages: readonly string[], note: (text: string) => void): void {
  if (!existsSync('/usr/bin/apt-get') || process.getuid?.() !== 0) {
    throw new Error(`this needs Debian's packages ${packages.join(', ')}; install them, or run this as root`);
  }
  note(`installing ${packages.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['install', '-qy', '--no-install-recommends', ...packages];
  for (const args of [['update', '-q'], install]) {
    spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  }
}
