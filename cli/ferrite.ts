#!/usr/bin/env node
import { Command } from "commander";
import packageJson from "../package.json" with { type: "json" };

const program = new Command("ferrite").description(packageJson.description);

program
  .command("version")
  .description("print the version")
  .action(() => {
    process.stdout.write(`ferrite ${packageJson.version}\n`);
  });

await program.parseAsync();
