import { LabIcon, refreshIcon, stopIcon, VDomRenderer } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';

import { CommandIDs } from './commands';
import { bytes, duration, percent, wholeSeconds } from './format';
import { farcellIcon } from './icon';
import { ClusterModel, isUnderWay, Phase } from './model';
import { IGang, IHost, IMember, IRun, ISnapshot } from './wire';

/** How many runs are listed. */
const SHOWN_RUNS = 12;

/** The sidebar panel: a view of {@link ClusterModel}, and nothing else. */
export class ClusterPanel extends VDomRenderer<ClusterModel> {
  constructor(model: ClusterModel, commands: CommandRegistry) {
    super(model);
    this._commands = commands;
    this.id = 'farcell-panel';
    this.addClass('farcell-Panel');
    this.title.icon = farcellIcon;
    this.title.caption = 'farcell: the notebook’s cluster';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'farcell cluster');
  }

  protected override render(): React.ReactElement {
    const { snapshot, notebook, phase, reason } = this.model;
    const run = (id: string, args?: ReadonlyPartialJSONObject): void =>
      void this._commands.execute(id, args);
    return (
      <>
        <header className="farcell-Header">
          <h2>farcell</h2>
          {snapshot && (
            <span className="farcell-Actions">
              <Action
                icon={refreshIcon}
                label="Restart the cluster"
                onClick={() => run(CommandIDs.restart)}
              />
              <Action
                icon={stopIcon}
                label="Stop the cluster"
                onClick={() => run(CommandIDs.stop)}
              />
            </span>
          )}
        </header>
        {snapshot ? (
          <Cluster snapshot={snapshot} notebook={notebook} now_s={this.model.now_s} run={run} />
        ) : (
          <Absence phase={phase} notebook={notebook} reason={reason} />
        )}
      </>
    );
  }

  /** Uptimes and durations move on while the panel is seen. */
  protected override onAfterShow(): void {
    window.clearInterval(this._ticking);
    this._ticking = window.setInterval(() => this.model.snapshot && this.update(), 1000);
    this.update();
  }

  protected override onBeforeHide(): void {
    window.clearInterval(this._ticking);
  }

  override dispose(): void {
    window.clearInterval(this._ticking);
    super.dispose();
  }

  private readonly _commands: CommandRegistry;
  private _ticking = 0;
}

type Run = (command: string, args?: ReadonlyPartialJSONObject) => void;

function Absence(props: { phase: Phase; notebook: string; reason: string }): React.ReactElement {
  const { phase, notebook, reason } = props;
  switch (phase) {
    case 'no-notebook':
      return <p className="farcell-Absence">Open a notebook to see its cluster here.</p>;
    case 'no-kernel':
      return <p className="farcell-Absence">{notebook} has no kernel.</p>;
    case 'unreachable':
      return (
        <p className="farcell-Absence" role="status">
          The Jupyter server does not answer. The cluster goes on; the panel comes back by itself.
        </p>
      );
    case 'connecting':
    case 'live':
      return <p className="farcell-Absence">Looking for the cluster of {notebook}…</p>;
    case 'absent':
      return (
        <div className="farcell-Absence" role="status">
          <p>{reason || `${notebook} has no cluster.`}</p>
          <p>Start one in a cell:</p>
          <pre>%load_ext farcell</pre>
          <p>and run a cell on it:</p>
          <pre>{'%%remote\nimport os\nos.getpid()'}</pre>
        </div>
      );
  }
}

function Cluster(props: {
  snapshot: ISnapshot;
  notebook: string;
  now_s: number;
  run: Run;
}): React.ReactElement {
  const { snapshot, notebook, now_s, run } = props;
  const running = snapshot.runs.some(isUnderWay);
  const runs = snapshot.runs.slice(-SHOWN_RUNS).reverse();
  return (
    <>
      <section className="farcell-Section" aria-label="Cluster">
        <div className="farcell-Title">
          <Light state={running ? 'running' : 'ready'} />
          <span className="farcell-Name" title={snapshot.notebook || notebook}>
            {notebook}
          </span>
        </div>
        <dl className="farcell-Facts">
          <dt>Engine</dt>
          <dd>
            {snapshot.engine}, up to {snapshot.capacity} workers
          </dd>
          <dt>Up</dt>
          <dd>{wholeSeconds(now_s - snapshot.started_at_s)}</dd>
          <dt>Version</dt>
          <dd>
            {snapshot.farcell_version}, Python {snapshot.python_version}
          </dd>
        </dl>
      </section>
      {snapshot.hosts.map(host => (
        <Host key={host.name} host={host} />
      ))}
      <section className="farcell-Section" aria-label="Gangs">
        <h3>Gangs</h3>
        {snapshot.gangs.length === 0 && (
          <p className="farcell-Nothing">None yet: the first %%remote cell makes one.</p>
        )}
        {snapshot.gangs.map(gang => (
          <Gang key={gang.name} gang={gang} hosts={snapshot.hosts} run={run} />
        ))}
      </section>
      <section className="farcell-Section" aria-label="Runs">
        <h3>Last runs</h3>
        {runs.length === 0 && <p className="farcell-Nothing">None yet.</p>}
        <ul className="farcell-Runs">
          {runs.map(each => (
            <RunRow key={each.run} it={each} now_s={now_s} run={run} />
          ))}
        </ul>
      </section>
    </>
  );
}

function Host(props: { host: IHost }): React.ReactElement {
  const { host } = props;
  const used = Number(host.memory_used_bytes);
  const all = Number(host.memory_bytes);
  const gpus = host.gpu_uuids.length;
  return (
    <section className="farcell-Section" aria-label={`Host ${host.name}`}>
      <h3>
        {host.name}
        <small>
          {host.cpus} {host.cpus === 1 ? 'core' : 'cores'}
          {gpus > 0 && ` · ${gpus} GPU${gpus === 1 ? '' : 's'}`}
        </small>
      </h3>
      <div className="farcell-Host">
        <span>CPU</span>
        <Meter label="CPU" value={host.cpu_percent} max={100} text={percent(host.cpu_percent)} />
        <span>Memory</span>
        <Meter label="Memory" value={used} max={all} text={`${bytes(used)} of ${bytes(all)}`} />
      </div>
    </section>
  );
}

function Gang(props: { gang: IGang; hosts: IHost[]; run: Run }): React.ReactElement {
  const { gang, hosts, run } = props;
  return (
    <div className="farcell-Gang" role="group" aria-label={`Gang ${gang.name}`}>
      <div className="farcell-Title">
        <Light state={gang.state} />
        <span className="farcell-Name" title={gang.name}>
          {gang.name}
        </span>
        <span className="farcell-State">{gang.state}</span>
        <Action
          icon={refreshIcon}
          label={`Restart gang ${gang.name}`}
          onClick={() => run(CommandIDs.restartGang, { gang: gang.name })}
        />
      </div>
      <table className="farcell-Ranks">
        <thead>
          <tr>
            <th scope="col">Rank</th>
            <th scope="col">PID</th>
            <th scope="col">CPU</th>
            <th scope="col">Memory</th>
          </tr>
        </thead>
        <tbody>
          {gang.members.map(member => (
            <Member
              key={member.rank}
              member={member}
              host={hosts.find(({ name }) => name === member.host)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Member(props: { member: IMember; host: IHost | undefined }): React.ReactElement {
  const { member, host } = props;
  const memory = Number(member.memory_bytes);
  const cpus = 100 * (host?.cpus ?? 1);
  return (
    <tr>
      <th scope="row">{member.rank}</th>
      <td>{member.state === 'ready' ? member.pid : member.state}</td>
      <td>
        <Meter
          label="CPU"
          value={member.cpu_percent}
          max={cpus}
          text={percent(member.cpu_percent)}
        />
      </td>
      <td>
        <Meter
          label="Memory"
          value={memory}
          max={Number(host?.memory_bytes ?? 0)}
          text={bytes(memory)}
        />
      </td>
    </tr>
  );
}

function RunRow(props: { it: IRun; now_s: number; run: Run }): React.ReactElement {
  const { it, now_s, run } = props;
  const underWay = isUnderWay(it);
  const took = duration((underWay ? now_s : it.ended_at_s) - it.started_at_s);
  const where = it.gang === 'default' ? '' : ` on ${it.gang}`;
  return (
    <li className="farcell-Run" title={`${it.label}\n${it.state}${where}, ${took}`}>
      <Light state={it.state} />
      <code className="farcell-Name">{it.label}</code>
      <span className="farcell-State">{it.state === 'done' ? '' : it.state}</span>
      <span className="farcell-Took">{took}</span>
      {underWay && (
        <Action
          icon={stopIcon}
          label={`Interrupt ${it.label}`}
          onClick={() => run(CommandIDs.interrupt, { run: it.run })}
        />
      )}
    </li>
  );
}

/** A coloured dot; what it means is always said in words beside it or on hovering. */
function Light(props: { state: string }): React.ReactElement {
  return (
    <span className="farcell-Light" data-state={props.state} role="img" aria-label={props.state} />
  );
}

function Meter(props: {
  label: string;
  value: number;
  max: number;
  text: string;
}): React.ReactElement {
  const { label, value, max, text } = props;
  const share = max > 0 ? Math.min(Math.max(value / max, 0), 1) : 0;
  return (
    <div className="farcell-Meter">
      <span
        className="farcell-Bar"
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(100 * share)}
        aria-valuetext={text}
        data-high={share > 0.9}
      >
        <span style={{ width: `${100 * share}%` }} />
      </span>
      <span className="farcell-Value">{text}</span>
    </div>
  );
}

function Action(props: { icon: LabIcon; label: string; onClick: () => void }): React.ReactElement {
  const { icon: Icon, label, onClick } = props;
  return (
    <button
      className="farcell-Action"
      type="button"
      title={label}
      aria-label={label}
      onClick={onClick}
    >
      <Icon.react tag="span" width="14px" height="14px" />
    </button>
  );
}
