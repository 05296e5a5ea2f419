import { VDomRenderer } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ClusterModel } from './model';

/** The status bar's line about the cluster; a click on it shows the panel. */
export class StatusItem extends VDomRenderer<ClusterModel> {
  constructor(model: ClusterModel, show: () => void) {
    super(model);
    this._show = show;
  }

  protected override render(): React.ReactElement {
    return (
      <button
        className="farcell-Status"
        type="button"
        title="Show the cluster"
        onClick={this._show}
      >
        {this.model.summary}
      </button>
    );
  }

  private readonly _show: () => void;
}
