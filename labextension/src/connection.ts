import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { PromiseDelegate } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';

import { Command, FromServer, ToServer } from './wire';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

/** What a connection tells whoever made it. */
export interface IListener {
  receive(message: FromServer): void;
  /** The server cannot be reached; the connection goes on trying. */
  broken(): void;
}

/** The WebSocket to `farcell_lab` for one kernel, opened again when it breaks, until disposed. */
export class Connection implements IDisposable {
  constructor(kernelId: string, listener: IListener) {
    this._kernelId = kernelId;
    this._listener = listener;
    this._open();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.clearTimeout(this._retry);
    this._socket?.close();
    this._giveUp('the panel turned to another notebook');
  }

  /**
   * Ask the head for something.
   *
   * @throws an `Error` with the head's words if it refuses or cannot be reached.
   */
  async ask(command: Command): Promise<void> {
    if (this._socket?.readyState !== WebSocket.OPEN) {
      throw new Error('The Jupyter server cannot be reached. Try again once it is back.');
    }
    const message: ToServer = { ...command, request: this._nextRequest++ };
    const answer = new PromiseDelegate<void>();
    this._pending.set(message.request, answer);
    this._socket.send(JSON.stringify(message));
    return answer.promise;
  }

  private _open(): void {
    const settings = ServerConnection.makeSettings();
    const kernel = encodeURIComponent(this._kernelId);
    let url = URLExt.join(settings.wsUrl, 'farcell', 'kernels', kernel);
    if (settings.appendToken && settings.token) {
      url += `?token=${encodeURIComponent(settings.token)}`;
    }
    const socket = new settings.WebSocket(url);
    this._socket = socket;
    socket.onmessage = event => {
      this._retryMs = FIRST_RETRY_MS;
      this._receive(JSON.parse(String(event.data)) as FromServer);
    };
    socket.onclose = () => {
      this._giveUp('The connection to the Jupyter server broke. Look at the panel and try again.');
      if (!this._isDisposed) {
        this._listener.broken();
        this._retry = window.setTimeout(() => this._open(), this._retryMs);
        this._retryMs = Math.min(2 * this._retryMs, LAST_RETRY_MS);
      }
    };
  }

  private _receive(message: FromServer): void {
    if (this._isDisposed) {
      return;
    }
    if (message.type !== 'reply') {
      this._listener.receive(message);
      return;
    }
    const answer = this._pending.get(message.request);
    this._pending.delete(message.request);
    if (message.error) {
      answer?.reject(new Error(message.error));
    } else {
      answer?.resolve();
    }
  }

  private _giveUp(why: string): void {
    for (const answer of this._pending.values()) {
      answer.reject(new Error(why));
    }
    this._pending.clear();
  }

  private readonly _kernelId: string;
  private readonly _listener: IListener;
  private readonly _pending = new Map<number, PromiseDelegate<void>>();
  private _isDisposed = false;
  private _nextRequest = 1;
  private _retry = 0;
  private _retryMs = FIRST_RETRY_MS;
  private _socket: WebSocket | null = null;
}
