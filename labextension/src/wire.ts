/**
 * What the server extension (`farcell_lab`) and this panel say to each other.
 *
 * A snapshot is the protocol's `Snapshot` (farcell.proto) as protobuf's own JSON: 64-bit integers
 * are strings there.
 */

export type Int64 = string;

export interface IHost {
  name: string;
  cpus: number;
  memory_bytes: Int64;
  memory_used_bytes: Int64;
  /** Of all its cores together: 0 to 100. */
  cpu_percent: number;
  gpu_uuids: string[];
}

export interface IMember {
  rank: number;
  worker: string;
  pid: Int64;
  host: string;
  state: string;
  gpu_uuids: string[];
  /** Of one core: 200 where two are busy. */
  cpu_percent: number;
  memory_bytes: Int64;
}

export interface IGang {
  name: string;
  epoch: Int64;
  state: string;
  members: IMember[];
}

export interface IRun {
  run: string;
  gang: string;
  state: string;
  /** The cell's first line of code. */
  label: string;
  started_at_s: number;
  ended_at_s: number;
  cell_id: string;
}

export interface ISnapshot {
  session: string;
  engine: string;
  notebook: string;
  started_at_s: number;
  farcell_version: string;
  python_version: string;
  capacity: number;
  hosts: IHost[];
  gangs: IGang[];
  /** The oldest first. */
  runs: IRun[];
  idle_stop_s: number;
}

/** What to do with the cluster. */
export type Command =
  | { command: 'stop' }
  | { command: 'restart_gang'; gang: string }
  | { command: 'interrupt'; gang: string; run: string };

export type ToServer = Command & { request: number };

export type FromServer =
  /** The kernel has no session (any more); the server goes on looking. */
  | { type: 'absent'; reason: string }
  /** `now_s` is the server's clock. */
  | { type: 'snapshot'; now_s: number; snapshot: ISnapshot }
  | { type: 'reply'; request: number; error: string };
