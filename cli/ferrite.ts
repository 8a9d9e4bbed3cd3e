#!/usr/bin/env -S node --max-semi-space-size=8
import { Command } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { addAgentCommands } from "./agent-commands.ts";
import { addControllersCommand } from "./controllers.ts";
import { addServerCommand } from "./server.ts";

const program = new Command("ferrite").description(packageJson.description);

program
  .command("version")
  .description("print the version")
  .action(() => {
    process.stdout.write(`ferrite ${packageJson.version}\n`);
  });
addServerCommand(program);
addControllersCommand(program);
addAgentCommands(program);

await program.parseAsync();
