"""What farcell shows inside a cell's output: progress, resources, and their plain-text form."""
