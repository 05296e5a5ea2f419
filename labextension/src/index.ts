import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';

import { addCommands, CommandIDs } from './commands';
import { ClusterModel } from './model';
import { ClusterPanel } from './panel';
import { StatusItem } from './status';

const PANEL_RANK = 500;

/** Shows the active notebook's cluster: a sidebar panel, a line in the status bar, commands. */
const plugin: JupyterFrontEndPlugin<void> = {
  id: 'farcell:panel',
  description: 'Shows and steers the cluster of the active notebook.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ILayoutRestorer, IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    statusBar: IStatusBar | null
  ) => {
    const model = new ClusterModel(tracker);
    const panel = new ClusterPanel(model, app.commands);
    app.shell.add(panel, 'left', { rank: PANEL_RANK, type: 'farcell' });
    restorer?.add(panel, panel.id);
    addCommands(app, model, panel.id, palette);
    statusBar?.registerStatusItem('farcell:status', {
      item: new StatusItem(model, () => void app.commands.execute(CommandIDs.show)),
      align: 'left',
      rank: PANEL_RANK,
      isActive: () => model.phase === 'live',
      activeStateChanged: model.stateChanged
    });
  }
};

export default plugin;
