import { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, ICommandPalette, Notification, showDialog } from '@jupyterlab/apputils';

import { farcellIcon } from './icon';
import { ClusterModel } from './model';

export const CommandIDs = {
  show: 'farcell:show',
  interrupt: 'farcell:interrupt',
  restart: 'farcell:restart',
  restartGang: 'farcell:restart-gang',
  stop: 'farcell:stop'
} as const;

const CATEGORY = 'farcell';

/** Adds the panel's commands, and those that need no argument to the palette too. */
export function addCommands(
  app: JupyterFrontEnd,
  model: ClusterModel,
  panelId: string,
  palette: ICommandPalette | null
): void {
  const { commands, shell } = app;
  const isEnabled = (): boolean => model.phase === 'live';

  commands.addCommand(CommandIDs.show, {
    label: 'Show the Cluster',
    icon: farcellIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => shell.activateById(panelId)
  });
  commands.addCommand(CommandIDs.interrupt, {
    label: 'Interrupt the Running Cells',
    caption: 'Send an interrupt to every run of this notebook; names are kept',
    describedBy: {
      args: { type: 'object', properties: { run: { type: 'string', description: 'One run only' } } }
    },
    isEnabled: () => model.runningRuns.length > 0,
    execute: args =>
      told('interrupt', async () => {
        const runs = model.runningRuns.filter(({ run }) => !args.run || run === args.run);
        for (const { gang, run } of runs) {
          await model.ask({ command: 'interrupt', gang, run });
        }
      })
  });
  commands.addCommand(CommandIDs.restart, {
    label: 'Restart the Cluster…',
    caption: 'Replace every worker by a fresh one; the names they hold are lost',
    describedBy: { args: { type: 'object', properties: {} } },
    isEnabled,
    execute: async () => {
      const gangs = model.snapshot?.gangs.map(({ name }) => name) ?? [];
      if (await confirmed('Restart the cluster?', lossOf(model, gangs), 'Restart')) {
        await told('restart', async () => {
          for (const gang of gangs) {
            await model.ask({ command: 'restart_gang', gang });
          }
        });
      }
    }
  });
  commands.addCommand(CommandIDs.restartGang, {
    label: 'Restart a Gang…',
    describedBy: {
      args: {
        type: 'object',
        required: ['gang'],
        properties: { gang: { type: 'string', description: 'Its name' } }
      }
    },
    isEnabled,
    execute: async args => {
      const gang = args.gang as string;
      if (await confirmed(`Restart gang ${gang}?`, lossOf(model, [gang]), 'Restart')) {
        await told('restart', () => model.ask({ command: 'restart_gang', gang }));
      }
    }
  });
  commands.addCommand(CommandIDs.stop, {
    label: 'Stop the Cluster…',
    caption: 'End every worker; the names they hold are lost',
    describedBy: { args: { type: 'object', properties: {} } },
    isEnabled,
    execute: async () => {
      const gangs = model.snapshot?.gangs.map(({ name }) => name) ?? [];
      if (await confirmed('Stop the cluster?', lossOf(model, gangs), 'Stop')) {
        await told('stop', () => model.ask({ command: 'stop' }));
      }
    }
  });

  const { show, interrupt, restart, stop } = CommandIDs;
  for (const command of [show, interrupt, restart, stop]) {
    palette?.addItem({ command, category: CATEGORY });
  }
  let lastState = '';
  model.stateChanged.connect(() => {
    const state = `${model.phase} ${model.runningRuns.length > 0}`;
    if (state !== lastState) {
      lastState = state;
      commands.notifyCommandChanged();
    }
  });
}

/** What it costs to end the workers of `gangs`. */
function lossOf(model: ClusterModel, gangs: string[]): string {
  const ended = model.snapshot?.gangs.filter(({ name }) => gangs.includes(name)) ?? [];
  const count = ended.reduce((sum, gang) => sum + gang.members.length, 0);
  const workers = count === 1 ? '1 worker' : `${count} workers`;
  const runs = model.runningRuns.filter(({ gang }) => gangs.includes(gang)).length;
  const lost = `The names that live only on ${workers} are lost`;
  const ends = runs
    ? `, and ${runs === 1 ? 'the running cell ends' : `${runs} running cells end`}`
    : '';
  return `${lost}${ends}. Names that the notebook itself holds stay.`;
}

async function confirmed(title: string, body: string, label: string): Promise<boolean> {
  const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label })];
  const result = await showDialog({ title, body, buttons, defaultButton: 0 });
  return result.button.accept;
}

/** Do `what`; a refusal is shown rather than lost in the console. */
async function told(verb: string, what: () => Promise<void>): Promise<void> {
  try {
    await what();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    Notification.error(`farcell could not ${verb}: ${words}`);
  }
}
