import { LabIcon } from '@jupyterlab/ui-components';

const svgstr = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">
<g class="jp-icon3" fill="#616161">
<path d="M2 2.5h5v1.4H3.4v8.2H7v1.4H2z"/>
<rect x="9" y="2.5" width="5" height="3"/>
<rect x="9" y="6.5" width="5" height="3"/>
<rect x="9" y="10.5" width="5" height="3"/>
<path d="M4.8 7.3h3.4v1.4H4.8z"/>
</g></svg>`;

/** A cell's bracket, joined to three workers. */
export const farcellIcon = new LabIcon({ name: 'farcell:icon', svgstr });
