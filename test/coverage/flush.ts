// The counts of the addon are written when a process exits; a worker of vitest is ended by SIGTERM instead.
process.once('SIGTERM', () => process.exit());
