// Starts `betrace lsp` for YAML files and shows what it says. Everything that is known of rule files is known there.
"use strict";

const { window, workspace, commands } = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

async function activate(context) {
  context.subscriptions.push(commands.registerCommand("betrace.restart", restart));
  context.subscriptions.push(
    workspace.onDidChangeConfiguration((event) => (event.affectsConfiguration("betrace") ? restart() : undefined)),
  );
  await start();
}

async function start() {
  const settings = workspace.getConfiguration("betrace");
  const documentation = settings.get("documentation");
  const program = {
    command: settings.get("command"),
    args: ["lsp", ...(documentation ? ["--documentation", documentation] : [])],
    transport: TransportKind.stdio,
  };
  client = new LanguageClient("betrace", "BeTrace", program, { documentSelector: ["yaml", "betrace"].map((language) => ({ language })) });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    window.showErrorMessage(`BeTrace: \`${program.command} lsp\` could not be started; the setting betrace.command names the program. ${error.message}`);
  }
}

async function restart() {
  await deactivate();
  await start();
}

async function deactivate() {
  const old = client;
  client = undefined;
  await old?.stop();
}

module.exports = { activate, deactivate };
