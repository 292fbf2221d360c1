import type { Acl, AclFilter, AclOperation, AclResource } from '../../broker/access/acl.ts';
import {
  ACL_OPERATION,
  ACL_PATTERN_TYPE,
  ACL_PERMISSION,
  ACL_RESOURCE_TYPE,
} from '../../wire/kafka/constants.ts';

/** Kafka's codes (ResourceType, PatternType, AclPermissionType, AclOperation) by the broker's names. */
const RESOURCES: { readonly [resource in AclResource]: number } = {
  topic: ACL_RESOURCE_TYPE.TOPIC,
  group: ACL_RESOURCE_TYPE.GROUP,
  cluster: ACL_RESOURCE_TYPE.CLUSTER,
  'transactional-id': ACL_RESOURCE_TYPE.TRANSACTIONAL_ID,
  user: ACL_RESOURCE_TYPE.USER,
};
const PATTERNS: { readonly [pattern in Acl['pattern']]: number } = {
  literal: ACL_PATTERN_TYPE.LITERAL,
  prefixed: ACL_PATTERN_TYPE.PREFIXED,
};
const PERMISSIONS: { readonly [permission in Acl['permission']]: number } = {
  allow: ACL_PERMISSION.ALLOW,
  deny: ACL_PERMISSION.DENY,
};
export const OPERATION_CODES: { readonly [operation in AclOperation]: number } = {
  all: ACL_OPERATION.ALL,
  read: ACL_OPERATION.READ,
  write: ACL_OPERATION.WRITE,
  create: ACL_OPERATION.CREATE,
  delete: ACL_OPERATION.DELETE,
  alter: ACL_OPERATION.ALTER,
  describe: ACL_OPERATION.DESCRIBE,
  'cluster-action': ACL_OPERATION.CLUSTER_ACTION,
  'describe-configs': ACL_OPERATION.DESCRIBE_CONFIGS,
  'alter-configs': ACL_OPERATION.ALTER_CONFIGS,
  'idempotent-write': ACL_OPERATION.IDEMPOTENT_WRITE,
  'create-tokens': ACL_OPERATION.CREATE_TOKENS,
  'describe-tokens': ACL_OPERATION.DESCRIBE_TOKENS,
  'two-phase-commit': ACL_OPERATION.TWO_PHASE_COMMIT,
};

/** An AclBinding as CreateAcls and DescribeAcls have it. */
export interface AclCodes {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  readonly principal: string;
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}

export interface FilterCodes {
  readonly resourceTypeFilter: number;
  readonly resourceNameFilter: string | null;
  readonly patternTypeFilter: number;
  readonly principalFilter: string | null;
  readonly hostFilter: string | null;
  readonly operation: number;
  readonly permissionType: number;
}

export function codesOf({ name, principal, host, ...acl }: Acl): AclCodes {
  return {
    resourceType: RESOURCES[acl.resource],
    resourceName: name,
    patternType: PATTERNS[acl.pattern],
    principal,
    host,
    operation: OPERATION_CODES[acl.operation],
    permissionType: PERMISSIONS[acl.permission],
  };
}

/** The ACL, or, as text, why the codes are invalid. */
export function aclOf(codes: AclCodes): Acl | string {
  const resource = RESOURCE_NAMES.get(codes.resourceType);
  const pattern = PATTERN_NAMES.get(codes.patternType);
  const operation = OPERATION_NAMES.get(codes.operation);
  const permission = PERMISSION_NAMES.get(codes.permissionType);
  if (codes.resourceType === ACL_RESOURCE_TYPE.DELEGATION_TOKEN) return 'there are no delegation tokens here';
  if (resource === undefined) return `Invalid resourceType ${codes.resourceType}`;
  if (pattern === undefined) return `Invalid patternType ${codes.patternType}`;
  if (operation === undefined) return `Invalid operation ${codes.operation}`;
  if (permission === undefined) return `Invalid permissionType ${codes.permissionType}`;
  const { resourceName: name, principal, host } = codes;
  return { resource, name, pattern, principal, host, operation, permission };
}

/** Undefined for unknown codes. Null: nothing can match, as for delegation tokens. */
export function filterOf(codes: FilterCodes): AclFilter | null | undefined {
  const { resourceTypeFilter: type, patternTypeFilter: patternType } = codes;
  if (type === ACL_RESOURCE_TYPE.DELEGATION_TOKEN) return null;
  const resource = filterName(RESOURCE_NAMES, type, ACL_RESOURCE_TYPE.ANY);
  const isMatch = patternType === ACL_PATTERN_TYPE.MATCH;
  const pattern = isMatch ? 'match' : filterName(PATTERN_NAMES, patternType, ACL_PATTERN_TYPE.ANY);
  const operation = filterName(OPERATION_NAMES, codes.operation, ACL_OPERATION.ANY);
  const permission = filterName(PERMISSION_NAMES, codes.permissionType, ACL_PERMISSION.ANY);
  if (resource === undefined || pattern === undefined) return undefined;
  if (operation === undefined || permission === undefined) return undefined;
  const { resourceNameFilter: name, principalFilter: principal, hostFilter: host } = codes;
  return { resource, name, pattern, principal, host, operation, permission };
}

function filterName<Name extends string>(
  names: Names<Name>,
  code: number,
  any: number,
): Name | null | undefined {
  return code === any ? null : names.get(code);
}

type Names<Name extends string> = ReadonlyMap<number, Name>;

/** A request can have hundreds of thousands of filters. */
function namesOf<Name extends string>(codes: { readonly [name in Name]: number }): Names<Name> {
  return new Map((Object.keys(codes) as Name[]).map((name) => [codes[name], name]));
}

const RESOURCE_NAMES = namesOf(RESOURCES);
const PATTERN_NAMES = namesOf(PATTERNS);
const PERMISSION_NAMES = namesOf(PERMISSIONS);
const OPERATION_NAMES = namesOf(OPERATION_CODES);
