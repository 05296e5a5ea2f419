import { ISessionContext } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { VDomModel } from '@jupyterlab/ui-components';

import { Connection, IListener } from './connection';
import { Command, FromServer, IRun, ISnapshot } from './wire';

/**
 * What the panel knows about the active notebook's cluster:
 *
 * - `no-notebook`: no notebook is open;
 * - `no-kernel`: it has no kernel;
 * - `connecting`: the server has not answered yet;
 * - `absent`: its kernel has no session;
 * - `live`: there is a snapshot, and it is being kept up to date;
 * - `unreachable`: the Jupyter server does not answer.
 */
export type Phase = 'no-notebook' | 'no-kernel' | 'connecting' | 'absent' | 'live' | 'unreachable';

/** How long a fresh connection may take before the panel says that it waits. */
const PATIENCE_MS = 400;

/** Follows the active notebook, its kernel, and that kernel's cluster. */
export class ClusterModel extends VDomModel implements IListener {
  constructor(tracker: INotebookTracker) {
    super();
    this._tracker = tracker;
    tracker.currentChanged.connect(this._followNotebook, this);
    this._followNotebook();
  }

  get phase(): Phase {
    return this._phase;
  }

  /** The last snapshot; null unless `live`. */
  get snapshot(): ISnapshot | null {
    return this._phase === 'live' ? this._snapshot : null;
  }

  /** Why there is no session, where the server knows. */
  get reason(): string {
    return this._reason;
  }

  /** The file name of the notebook that is followed. */
  get notebook(): string {
    return this._panel?.title.label ?? '';
  }

  /** The server's clock, in seconds since the epoch. */
  get now_s(): number {
    return Date.now() / 1000 + this._clockLead_s;
  }

  get workers(): number {
    return this.snapshot?.gangs.reduce((sum, gang) => sum + gang.members.length, 0) ?? 0;
  }

  get runningRuns(): IRun[] {
    return this.snapshot?.runs.filter(isUnderWay) ?? [];
  }

  /** One line about the cluster: `farcell: 2 workers · running`. */
  get summary(): string {
    const workers = this.workers === 1 ? '1 worker' : `${this.workers} workers`;
    return `farcell: ${workers} · ${this.runningRuns.length ? 'running' : 'idle'}`;
  }

  /** See {@link Connection.ask}. */
  async ask(command: Command): Promise<void> {
    if (!this._connection) {
      throw new Error('The notebook has no kernel, and so no cluster.');
    }
    return this._connection.ask(command);
  }

  receive(message: FromServer): void {
    if (message.type === 'snapshot') {
      this._clockLead_s = message.now_s - Date.now() / 1000;
      this._snapshot = message.snapshot;
      this._become('live');
    } else if (message.type === 'absent') {
      this._become('absent', message.reason);
    }
  }

  broken(): void {
    this._become('unreachable');
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._tracker.currentChanged.disconnect(this._followNotebook, this);
    this._context?.kernelChanged.disconnect(this._followKernel, this);
    this._connect(null);
    super.dispose();
  }

  private _followNotebook(): void {
    const panel = this._tracker.currentWidget;
    if (panel && panel === this._panel) {
      return;
    }
    this._context?.kernelChanged.disconnect(this._followKernel, this);
    this._panel = panel;
    this._context = panel?.sessionContext ?? null;
    this._context?.kernelChanged.connect(this._followKernel, this);
    this._followKernel();
  }

  private _followKernel(): void {
    this._connect(this._context?.session?.kernel?.id ?? null);
  }

  private _connect(kernelId: string | null): void {
    window.clearTimeout(this._patience);
    this._connection?.dispose();
    this._connection = kernelId ? new Connection(kernelId, this) : null;
    if (!this._panel) {
      this._become('no-notebook');
    } else if (!kernelId) {
      this._become('no-kernel');
    } else {
      // What was shown stays for a moment, so that turning to another notebook does not flicker.
      this._patience = window.setTimeout(() => this._become('connecting'), PATIENCE_MS);
    }
  }

  private _become(phase: Phase, reason = ''): void {
    window.clearTimeout(this._patience);
    this._phase = phase;
    this._reason = reason;
    this.stateChanged.emit();
  }

  private readonly _tracker: INotebookTracker;
  private _clockLead_s = 0;
  private _connection: Connection | null = null;
  private _context: ISessionContext | null = null;
  private _panel: NotebookPanel | null = null;
  private _patience = 0;
  private _phase: Phase = 'no-notebook';
  private _reason = '';
  private _snapshot: ISnapshot | null = null;
}

/** Whether a run has not ended. */
export function isUnderWay(run: IRun): boolean {
  return run.state === 'running' || run.state === 'waiting';
}
