export const live = "vicidial_list";

export const archive = "vicidial_list_archive";

export const quote = (name: string) => `\`${name.replaceAll("`", "``")}\``;
